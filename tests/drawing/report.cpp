#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "drawing/example.h"
#include "drawing/report/html_report.h"
#include "internal/picture_file.h"
#include "support/temporary_folder.h"
#include "train/logging/event_file.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Two runs of two frames each, with pictures, a config, a log and learning curves.
class Report : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    temporary_ = std::make_unique<testing::TemporaryFolder>();
    folder_ = temporary_->path();
    for (const char* name : {"step1", "step2"}) {
      const bool second = std::string(name) == "step2";
      const fs::path run = folder_ / name;
      Evaluator evaluator(EvaluationOptions{});
      SamplePicture picture = example_picture();
      for (int i = 0; i < 2; ++i) {
        picture.frame.key = fmt::format("12/{}", 34 + i);
        picture.frame.timestamp = 3.4 + 0.1 * i;
        if (second && i == 1)
          for (size_t k = 0; k < picture.frame.road.values.size(); ++k)
            picture.frame.road.values[k] = picture.frame.road_label.values[k] == 1 ? 0.95f : 0.02f;
        evaluator.add(picture.frame);
        const fs::path file = run / picture_file(picture.frame.val_set, picture.frame.key);
        fs::create_directories(file.parent_path());
        Canvas small(200, 100, rgb(second ? 0x334455 : 0x554433));
        small.text(20, 50, picture.frame.key + " </script>", 14, rgb(0xFFFFFF));
        small.set_comment(R"({"history":[null,null]})");
        if (second)
          small.set_comment(
              R"({"width":200,"height":100,"history":[{"title":"now </script>","x":0,"y":0,"w":50,"h":40},)"
              R"({"title":"1 s ago","x":100,"y":60,"w":50,"h":40}]})");
        small.write_png(file.string());
      }
      write_evaluation(run.string(), evaluator.summary());
      std::ofstream(run / "config.prototxt") << "description: \"</script><b>bold & \\xff\"\n";
      std::ofstream(run / "train.log") << "the last line\n";
      EventFile events(run.string());
      for (int step = 0; step < 500; ++step) events.add_scalar("train/loss", 5.0 / (step + 1), step);
      events.flush();
    }
  }
  static void TearDownTestSuite() { temporary_.reset(); }
  static std::vector<RunResults> runs() {
    return {read_run((folder_ / "step1").string()), read_run((folder_ / "step2").string() + "/", "step 2")};
  }
  inline static std::unique_ptr<testing::TemporaryFolder> temporary_;
  inline static fs::path folder_;
};

TEST_F(Report, ReadsARunBack) {
  const auto both = runs();
  EXPECT_EQ(both[0].name, "step1");
  EXPECT_EQ(both[1].name, "step 2");
  EXPECT_EQ(both[0].frames, 2);
  EXPECT_TRUE(both[0].table("iou"));
  EXPECT_FALSE(both[0].table("nothing"));
  EXPECT_LT(both[0].headline.at("road_miou"), both[1].headline.at("road_miou"));
  EXPECT_NE(both[0].config.find("bold"), std::string::npos);
  EXPECT_EQ(both[0].log, "the last line\n");
  const auto& curve = both[0].curves.at("train/loss");
  EXPECT_EQ(curve.size(), 400u);
  EXPECT_EQ(curve.front().step, 0);
  EXPECT_EQ(curve.back().step, 499);
  EXPECT_FLOAT_EQ(static_cast<float>(curve.back().value), 0.01f);
  EXPECT_FALSE(find_picture(both[0], "online", "12/34").empty());
  EXPECT_TRUE(find_picture(both[0], "online", "12/99").empty());
}

TEST_F(Report, FindsTheNewestValidationOfATrainingRun) {
  const fs::path run = folder_ / "training";
  for (const char* val : {"val_00000100", "val_00000200"}) fs::create_directories(run / val);
  fs::copy(folder_ / "step1" / "metrics.json", run / "val_00000100" / "metrics.json");
  fs::copy(folder_ / "step2" / "metrics.json", run / "val_00000200" / "metrics.json");
  fs::copy(folder_ / "step1" / "config.prototxt", run / "config.prototxt");
  const auto results = read_run(run.string());
  EXPECT_NE(results.metrics_path.find("val_00000200"), std::string::npos);
  EXPECT_FALSE(results.config.empty());
}

TEST_F(Report, SaysWhatIsMissingOrDamaged) {
  EXPECT_THROW(read_run((folder_ / "nobody").string()), UsageError);
  fs::create_directories(folder_ / "empty");
  EXPECT_THROW(read_run((folder_ / "empty").string()), UsageError);
  fs::create_directories(folder_ / "damaged");
  for (const char* text : {"{\"format\": \"bevgrad evaluation\"", "{\"format\": \"other\"}", "[1]",
                           "{\"format\": \"bevgrad evaluation\", \"frames\": \"x\"}"}) {
    std::ofstream(folder_ / "damaged" / "metrics.json") << text;
    EXPECT_THROW(read_run((folder_ / "damaged").string()), Error) << text;
  }
  std::ofstream(folder_ / "cut.tfevents")
      << read(*std::find_if(fs::directory_iterator(folder_ / "step1"), {}, [](const auto& e) {
           return e.path().string().find("tfevents") != std::string::npos;
         })).substr(0, 1000);
  EXPECT_GT(read_event_scalars((folder_ / "cut.tfevents").string()).at("train/loss").size(), 5u);
  std::ofstream(folder_ / "noise.tfevents") << std::string(500, '\x7f');
  EXPECT_TRUE(read_event_scalars((folder_ / "noise.tfevents").string()).empty());
  EXPECT_THROW(write_html_report("/proc/none/report.html", runs()), Error);
}

TEST_F(Report, IsOneFileThatAsksForNothing) {
  const std::string page = html_report(runs());
  EXPECT_EQ(page.find("<script>\n"), page.rfind("<script>\n"));
  // The only addresses are SVG's name space, and text of files cannot end the data.
  size_t addresses = 0;
  for (size_t at = page.find("http"); at != std::string::npos; at = page.find("http", at + 1))
    addresses += page.compare(at, 26, "http://www.w3.org/2000/svg") != 0 && page.compare(at, 10, "http-equiv") != 0;
  EXPECT_EQ(addresses, 0u);
  const size_t begin = page.find("id=\"data\">") + 10, end = page.find("</script>", begin);
  const auto data = nlohmann::json::parse(page.substr(begin, end - begin));
  EXPECT_EQ(data["runs"].size(), 2u);
  EXPECT_EQ(data["comparisons"].size(), 1u);
  EXPECT_EQ(data["runs"][0]["samples"].size(), 2u);
  EXPECT_EQ(data["runs"][1]["samples"][0]["history"]["history"].size(), 2u);
  const auto& picture = data["pictures"][data["runs"][0]["samples"][0]["picture"].get<size_t>()];
  EXPECT_EQ(picture.get<std::string>().rfind("data:image/png;base64,iVBOR", 0), 0u);
  for (const auto& figure : data["runs"][0]["headline"].items())
    EXPECT_TRUE(std::any_of(data["figures"].begin(), data["figures"].end(), [&](const auto& f) {
      return f["name"] == figure.key() && !f["text"].template get<std::string>().empty();
    })) << figure.key();
}

TEST_F(Report, BeginsWithTheChange) {
  // Two drives a run; the second run finds more of the road in both.
  for (const char* name : {"before", "after"}) {
    Evaluator evaluator(EvaluationOptions{});
    SamplePicture picture = example_picture();
    for (int64_t sequence : {1, 2}) {
      picture.frame.sequence = sequence;
      if (name == std::string("after"))
        for (size_t k = 0; k < picture.frame.road.values.size(); ++k)
          picture.frame.road.values[k] = picture.frame.road_label.values[k] == 1 ? 0.95f : 0.02f;
      evaluator.add(picture.frame);
    }
    write_evaluation((folder_ / name).string(), evaluator.summary());
  }
  const std::vector<RunResults> two = {read_run((folder_ / "before").string()), read_run((folder_ / "after").string())};
  EXPECT_EQ(two[0].sequences, (std::vector<std::string>{"online/1", "online/2"}));
  EXPECT_EQ(two[0].replicates.at("road_miou").size(), static_cast<size_t>(kReplicates));
  const std::string page = html_report(two);
  const size_t begin = page.find("id=\"data\">") + 10, end = page.find("</script>", begin);
  const auto data = nlohmann::json::parse(page.substr(begin, end - begin));
  ASSERT_EQ(data["headlines"].size(), 1u);
  const Table table = table_from_json(data["headlines"][0], "page");
  EXPECT_GT(std::get<double>(table.find({"road_miou"}, "low")), 0.0);
  EXPECT_FALSE(data["runs"][0].contains("replicates"));
}

TEST_F(Report, EmbedsAPictureOnce) {
  const auto one = runs()[0];
  const std::string page = html_report({one, one, one});
  const size_t begin = page.find("id=\"data\">") + 10, end = page.find("</script>", begin);
  EXPECT_EQ(nlohmann::json::parse(page.substr(begin, end - begin))["pictures"].size(), 2u);
}

TEST_F(Report, LinksAnimationsRelativeToThePage) {
  const fs::path run = folder_ / "linked";
  fs::create_directories(run / "drives");
  fs::copy(folder_ / "step1" / "metrics.json", run / "metrics.json");
  for (const char* name : {"a_1_map.png", "a_1.png"})
    Canvas(8, 8, rgb(0x336699)).write_png((run / "drives" / name).string());
  for (const auto& [page, link] : {std::pair{run / "report.html", "drives/a_1.png"},
                                   {folder_ / "reports" / "all.html", "../linked/drives/a_1.png"}}) {
    fs::create_directories(page.parent_path());
    EXPECT_GT(write_html_report(page.string(), {read_run(run.string())}), 1000u);
    EXPECT_NE(read(page).find(fmt::format("\"animation\":\"{}\"", link)), std::string::npos) << link;
  }
}

TEST_F(Report, ShowsTheMapsOfDrives) {
  const fs::path drives = fs::path(runs()[0].metrics_path).parent_path() / "drives";
  fs::create_directories(drives);
  for (const char* name : {"a_1_map.png", "a_1_label_map.png", "a_1.png", "a_2_map.png", "a_3_map.png"})
    Canvas(8, 8, rgb(0x336699)).write_png((drives / name).string());
  std::ofstream(drives / "a_0_map.png");  // empty: left out
  ReportOptions options;
  options.drives = 3;
  const std::string page = html_report(runs(), options);
  const size_t begin = page.find("id=\"data\">") + 10, end = page.find("</script>", begin);
  const auto shown = nlohmann::json::parse(page.substr(begin, end - begin))["runs"][0]["drives"];
  ASSERT_EQ(shown.size(), 2u);
  EXPECT_EQ(shown[0]["name"], "a_1");
  EXPECT_TRUE(shown[0]["label"].is_number());
  EXPECT_TRUE(shown[1]["label"].is_null());
  fs::remove_all(drives);
}

TEST_F(Report, WorksInABrowser) {
  std::string browser;
  for (const char* name : {"chromium-headless-shell", "chromium", "google-chrome"})
    if (browser.empty() && std::system(fmt::format("command -v {} > /dev/null 2>&1", name).c_str()) == 0)
      browser = name;
  if (browser.empty()) {
    std::fprintf(stderr,
                 "\n*** SKIPPED: no Chromium on this machine (Debian: chromium-headless-shell), so the report was NOT "
                 "opened in a browser ***\n\n");
    GTEST_SKIP() << "SKIPPED: no Chromium";
  }
  // One of the two runs drew a drive.
  const fs::path drives = fs::path(runs()[0].metrics_path).parent_path() / "drives";
  fs::create_directories(drives);
  for (const char* name : {"a_1_map.png", "a_1_label_map.png"})
    Canvas(8, 8, rgb(name[4] == 'm' ? 0x336699 : 0x996633)).write_png((drives / name).string());
  const fs::path report = folder_ / "report.html", probe = folder_ / "probe.html";
  write_html_report(report.string(), runs());
  // The page as it is, and after it a script that uses it as a person would and leaves what it saw in the title.
  std::string page = read(report);
  page.insert(page.rfind("</body>"), R"js(<script>
    const seen = [];
    const texts = (s) => [...document.querySelectorAll(s)].map(e => e.textContent);
    const table = document.querySelector("#comparison-0"), heads = [...table.querySelectorAll("th button")];
    const column = heads.findIndex(b => b.textContent === "all: step 2");
    const values = () => [...table.querySelectorAll("tbody tr")].map(r => r.children[column].textContent).filter(v => v !== "n/a").map(Number);
    heads[column].click();
    seen.push(values().every((v, i, a) => i === 0 || a[i - 1] >= v) ? "descending" : "unsorted");
    heads[column].click();
    seen.push(values().every((v, i, a) => i === 0 || a[i - 1] <= v) ? "ascending" : "unsorted");
    const before = table.querySelectorAll("tbody tr").length, search = table.querySelector("input");
    search.value = "Wall"; search.dispatchEvent(new Event("input"));
    seen.push(table.querySelectorAll("tbody tr").length === 1 && before > 5 ? "filtered" : "unfiltered");
    seen.push("plots " + document.querySelectorAll("svg polyline").length);
    seen.push("heat " + document.querySelectorAll("td.heat").length);
    seen.push("pictures " + [...document.querySelectorAll(".gallery img")].filter(i => i.src.startsWith("data:")).length);
    const sliders = [...document.querySelectorAll(".history input")], view = document.querySelector(".history .view");
    const place = () => view.style.backgroundPosition + " of " + view.style.backgroundSize;
    seen.push("sliders " + sliders.length + " at " + place());
    sliders[0].value = 1; sliders[0].dispatchEvent(new Event("input"));
    seen.push("moved to " + place() + " " + document.querySelector(".history output").textContent);
    const maps = document.querySelector("#short .maps");
    seen.push("maps " + maps.querySelectorAll("img").length);
    seen.push(maps.compareDocumentPosition(document.querySelector("#short table")) & Node.DOCUMENT_POSITION_FOLLOWING ? "maps first" : "tables first");
    const shown = s => [...document.querySelectorAll("#short " + s)].filter(e => getComputedStyle(e).display !== "none").length;
    seen.push("changes " + shown("td.change") + " of " + shown("tbody tr") + ", more columns " + shown(".wide, td.text"));
    const paper = () => getComputedStyle(document.body).backgroundColor, light = paper();
    document.getElementById("theme").click();
    seen.push(paper() !== light ? "both themes" : "one theme");
    seen.push("requests " + performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).length);
    document.title = "SEEN " + seen.join("; ");
  </script>)js");
  std::ofstream(probe) << page;
  const fs::path dom = folder_ / "dom.html", log = folder_ / "console.txt";
  const std::string command = fmt::format(
      "timeout 120 {} --headless --no-sandbox --disable-gpu --enable-logging=stderr --window-size=390,900 "
      "--virtual-time-budget=4000 "
      "--user-data-dir={} "
      "--dump-dom file://{} > {} 2> {}",
      browser, (folder_ / "profile").string(), probe.string(), dom.string(), log.string());
  const int status = std::system(command.c_str());
  ASSERT_EQ(WEXITSTATUS(status), 0) << read(log);
  EXPECT_EQ(read(log).find("CONSOLE"), std::string::npos) << read(log);
  const std::string after = read(dom);
  const size_t at = after.find("SEEN ");
  ASSERT_NE(at, std::string::npos) << read(log);
  const std::string seen = after.substr(at, after.find('<', at) - at);
  for (const char* wanted : {"descending; ascending; filtered", "pictures 8", "sliders 2 at 0% 0% of 400% 250%",
                             "moved to 66.6667% 100% of 400% 250% 1 s ago", "maps 2; maps first", ", more columns 0",
                             "both themes", "requests 0"})
    EXPECT_NE(seen.find(wanted), std::string::npos) << wanted << " in: " << seen;
  EXPECT_EQ(seen.find("changes 0"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("plots 0"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("heat 0"), std::string::npos) << seen;
  fs::remove_all(drives);
}

}  // namespace
}  // namespace bevgrad

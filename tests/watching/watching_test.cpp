// Trainings looked at from outside: numbers as they grow, the terminal's view, the page and who may ask for it.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "configs/load.h"
#include "distributed/socket.h"
#include "train/tiny_run.h"
#include "watching/run_progress.h"
#include "watching/run_server.h"
#include "watching/run_view.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

void append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text;
}

std::string line(int step, double loss) {
  return fmt::format(R"({{"step":{},"time":1.7e9,"train/loss":{},"train/steps_per_second":2.0,"train/memory_gb":1.5,)"
                     R"("val/x":null,"rank0/data":0.1,"rank1/data":0.3}})"
                     "\n",
                     step, loss);
}

/// A work folder with some numbers.
std::string made_run(const std::string& name) {
  const std::string folder = TinyData::get().path(name);
  fs::create_directories(folder + "/checkpoints");
  fs::create_directories(folder + "/val_00000010/pictures");
  const configs::Document document = TinyData::get().document("mini_step1", {"train.train_steps=100"});
  write_text_file(folder + "/config.prototxt", configs::to_text(document.proto));
  write_text_file(folder + "/scalars.jsonl", line(10, 3) + line(20, 2) + line(30, 1.5));
  write_text_file(folder + "/val_00000010/pictures/one.png", "png of one");
  write_text_file(folder + "/val_00000010/report.html", "<p>the report");
  write_text_file(folder + "/train.log", "2026-01-01 00:00:00 one\n2026-01-01 00:00:01 warning: \033[2Jtwo\n");
  fs::create_symlink("/etc/passwd", folder + "/val_00000010/pictures/secret.png");
  return folder;
}

TEST(RunProgress, FollowsTheFileAsItGrowsAndBeginsAnew) {
  const std::string folder = made_run("progress");
  RunProgress progress(folder);
  EXPECT_EQ(progress.step(), -1);
  progress.update();
  EXPECT_THAT(progress.curves().at("train/loss"), ElementsAre(Pair(10, 3.0), Pair(20, 2.0), Pair(30, 1.5)));
  EXPECT_FALSE(progress.curves().contains("val/x"));
  EXPECT_EQ(progress.ranks(), 2);
  EXPECT_EQ(progress.seconds_left(100), 35);
  append(folder + "/scalars.jsonl", "no JSON\n{\"step\": \"x\"}\n" + line(40, 1) + "{\"step\":50,\"tra");
  progress.update();
  EXPECT_EQ(progress.step(), 40);
  append(folder + "/scalars.jsonl",
         "in/loss\":0.5}\n");  // the rest of a line that was being written
  progress.update();
  EXPECT_EQ(progress.last("train/loss"), 0.5);
  // A run that goes on from step 20 has cut the file, and writes other numbers.
  write_text_file(folder + "/scalars.jsonl", line(10, 3) + line(20, 2) + line(30, 9));
  progress.update();
  EXPECT_THAT(progress.curves().at("train/loss"), ElementsAre(Pair(10, 3.0), Pair(20, 2.0), Pair(30, 9.0)));
  RunProgress nothing(folder + "/no");
  nothing.update();
  EXPECT_EQ(nothing.step(), -1);
}

TEST(RunProgress, ALongCurveIsThinned) {
  Curve curve;
  for (int64_t i = 0; i < 1000; ++i) curve.emplace_back(i, i);
  EXPECT_EQ(thinned(curve, 10).size(), 10u);
  EXPECT_EQ(thinned(curve, 10).back().first, 999);
  EXPECT_EQ(thinned(curve, 2000).size(), 1000u);
}

TEST(RunView, ShowsWhatAPersonWants) {
  const std::string folder = made_run("view");
  RunProgress progress(folder);
  progress.update();
  const RunFolder run = find_runs(folder).at(0);
  const std::string text = view_of(run, progress, {.width = 80, .height = 0, .is_utf8 = true});
  EXPECT_THAT(text, AllOf(HasSubstr("step 30 of 100 (30%)"), HasSubstr("2.0 steps/s"), HasSubstr("1.50 GB"),
                          HasSubstr("2 rank(s)"), HasSubstr("train/loss"), HasSubstr("█"), HasSubstr("rank 1"),
                          HasSubstr("picture " + folder + "/val_00000010/pictures/one.png"), HasSubstr("warning: ")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("secret")), Not(HasSubstr("\033"))));
  const std::string plain = view_of(run, progress, {.width = 60, .height = 12, .is_utf8 = false});
  EXPECT_TRUE(std::ranges::all_of(plain, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); })) << plain;
  EXPECT_LE(std::ranges::count(plain, '\n'), 12);
  EXPECT_EQ(spark_line({{1, 0.0}, {2, 1.0}}, 9, false), "_#");
  EXPECT_EQ(spark_line({}, 9, true), "");
}

Socket connect_to_port(int port) {
  Socket client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const timeval patience = {5, 0};
  setsockopt(client.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  EXPECT_EQ(connect(client.descriptor(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return client;
}

std::string exchange(int port, const std::string& request) {
  const Socket client = connect_to_port(port);
  static_cast<void>(send(client.descriptor(), request.data(), request.size(), MSG_NOSIGNAL));
  std::string answer;
  char bytes[4096];
  for (ssize_t got; (got = recv(client.descriptor(), bytes, sizeof(bytes), 0)) > 0;)
    answer.append(bytes, static_cast<size_t>(got));
  return answer;
}

std::string get(const RunServer& server, const std::string& target, const std::string& more = {}) {
  return exchange(server.port(), fmt::format("GET {} HTTP/1.1\r\nHost: "
                                             "127.0.0.1:{}\r\nConnection: close\r\n{}\r\n",
                                             target, server.port(), more));
}

std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

int status_of(const std::string& answer) {
  return answer.size() > 12 ? std::atoi(answer.c_str() + 9) : 0;
}

TEST(RunServer, ServesThePageAndTheNumbers) {
  const std::string folder = made_run("served/one");
  const RunServer server(TinyData::get().path("served"), 0);
  EXPECT_EQ(server.address(), fmt::format("http://127.0.0.1:{}/?token={}", server.port(), server.token()));
  const std::string page = get(server, "/?token=" + server.token());
  EXPECT_EQ(status_of(page), 200);
  EXPECT_THAT(page, AllOf(HasSubstr("<h1>Trainings"), HasSubstr("Content-Security-Policy: default-src 'none'"),
                          HasSubstr(fmt::format("Set-Cookie: bevgrad={}; HttpOnly; SameSite=Strict", server.token()))));
  const std::string cookie = fmt::format("Cookie: bevgrad={}\r\n", server.token());
  const auto runs = nlohmann::json::parse(body_of(get(server, "/runs.json", cookie)));
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0]["run"], folder);
  EXPECT_EQ(runs[0]["step"], 30);
  EXPECT_EQ(runs[0]["ranks"], 2);
  const auto run = nlohmann::json::parse(body_of(get(server, "/run.json?run=" + folder, cookie)));
  EXPECT_EQ(run["curves"]["train/loss"][2][1], 1.5);
  EXPECT_EQ(run["pictures"], nlohmann::json::array({"val_00000010/pictures/one.png"}));
  EXPECT_EQ(body_of(get(server, "/picture?number=0&run=" + folder, cookie)), "png of one");
  EXPECT_EQ(body_of(get(server, "/report?run=" + folder, cookie)), "<p>the report");
  const std::string head = exchange(server.port(), fmt::format("HEAD /runs.json HTTP/1.1\r\nHost: localhost:{}\r\n{}"
                                                               "Connection: close\r\n\r\n",
                                                               server.port(), cookie));
  EXPECT_EQ(status_of(head), 200);
  EXPECT_EQ(body_of(head), "");
  EXPECT_THROW(RunServer("/no/such/folder", 0), UsageError);
  EXPECT_THROW(RunServer(folder, server.port()), Error);
}

TEST(RunServer, HostileRequestsAreRefused) {
  const std::string folder = made_run("guarded");
  const RunServer server(folder, 0);
  const std::string with = "token=" + server.token();
  for (const std::string target :
       {"/", "/runs.json", "/?token=", "/?token=x", "/?token=00000000000000000000000000000000"})
    EXPECT_EQ(status_of(get(server, target)), 403) << target;
  EXPECT_EQ(status_of(get(server, "/runs.json", "Cookie: bevgrad=00000000000000000000000000000000\r\n")), 403);
  for (const std::string target :
       {"/../../etc/passwd?", "/%2e%2e/%2e%2e/etc/passwd?", "/picture?number=0&", "/picture?run=/etc&number=0&",
        "/run.json?run=/etc&", "/run.json?run=..&", "/report?run=/&", "//etc/passwd?", "/no?"})
    EXPECT_EQ(status_of(get(server, target + with)), 404) << target;
  const std::string run = "/picture?run=" + folder + "&" + with;
  for (const std::string number : {"1", "-1", "99999999999999999999", "../../config.prototxt", "0x0", ""})
    EXPECT_EQ(status_of(get(server, run + "&number=" + number)), 404) << number;
  const auto request = [&](const std::string& method, const std::string& host) {
    return status_of(
        exchange(server.port(), fmt::format("{} /runs.json?{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 3\r\n"
                                            "Connection: close\r\n\r\nabc",
                                            method, with, host)));
  };
  const std::string here = fmt::format("127.0.0.1:{}", server.port());
  for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE"}) EXPECT_EQ(request(method, here), 405);
  // A page of another site whose name leads here.
  EXPECT_EQ(request("GET", "evil.example"), 421);
  EXPECT_EQ(request("GET", fmt::format("evil.example:{}", server.port())), 421);
  EXPECT_THAT(status_of(exchange(server.port(), fmt::format("GET /?{} HTTP/1.0\r\n\r\n", with))),
              testing::AnyOf(400, 421));
  // More than a request may hold, and what is none.
  EXPECT_NE(status_of(get(server, "/runs.json?" + with, "X: " + std::string(40000, 'x') + "\r\n")), 200);
  EXPECT_NE(status_of(get(server, "/" + std::string(100000, 'a') + "?" + with)), 200);
  for (const std::string& garbage :
       {std::string("\0\1\2\3\r\n\r\n", 8), std::string("GET\r\n\r\n"), std::string(5000, '\n')})
    EXPECT_NE(status_of(exchange(server.port(), garbage)), 200);
  // Whoever holds connections open does not keep others out for long.
  std::vector<Socket> idle;
  for (int i = 0; i < 60; ++i) idle.push_back(connect_to_port(server.port()));
  idle.clear();
  int status = 0;
  for (int i = 0; i < 50 && status != 200; ++i) {
    status = status_of(get(server, "/runs.json?" + with));
    if (status != 200) usleep(100000);
  }
  EXPECT_EQ(status, 200);
  // Nobody but this machine can ask.
  EXPECT_THAT(read_file("/proc/net/tcp"), HasSubstr(fmt::format("0100007F:{:04X} 00000000:0000 0A", server.port())));
}

}  // namespace
}  // namespace bevgrad

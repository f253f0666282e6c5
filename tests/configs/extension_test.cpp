// Messages of a program's own: Protobuf extensions of the schema.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "configs/load.h"
#include "lab.pb.h"
#include "support/error_of.h"

namespace bevgrad::configs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const lab::Options& options_of(const Document& document) {
  return document.proto.temporal().GetExtension(lab::options);
}

std::string parse_error(const std::string& text) {
  return testing::error_of([&] { parse_document(text, "my.prototxt"); });
}
std::string set_error(const std::string& assignment) {
  return testing::error_of([&] { load({.config = "mini_step1", .sets = {assignment}}); });
}

TEST(Extensions, AreReadAndWritten) {
  const Document document =
      parse_document("temporal { [lab.options] { width: 7 rates: [1, 2] mode: slow } }", "my.prototxt");
  EXPECT_EQ(options_of(document).width(), 7);
  const Document again = parse_document(to_text(document.proto), "again.prototxt");
  EXPECT_THAT(options_of(again).rates(), ElementsAre(1, 2));
  EXPECT_EQ(options_of(again).mode(), lab::Options::slow);
}

TEST(Extensions, ErrorsNameLineAndNearNames) {
  EXPECT_EQ(parse_error("temporal {\n  [lab.options] {\n    widht: 3\n  }\n}"),
            "my.prototxt:3: unknown field \"widht\" in Options, did you mean \"width\"?");
  EXPECT_EQ(parse_error("temporal {\n  [lab.optoins] { width: 3 }\n}"),
            "my.prototxt:2: unknown field \"[lab.optoins]\" in Temporal, did you mean \"[lab.options]\"?");
  EXPECT_THAT(parse_error("\n\ntemporal { [lab.options] { width: wide } }"),
              HasSubstr("my.prototxt:3: field \"width\""));
  // Temporal has a field of the same name.
  EXPECT_EQ(parse_error("temporal { [lab.options] { mode: swift } }"),
            "my.prototxt:1: field \"mode\": unknown value \"swift\", expected one of fast, slow (Options); "
            "sample_by_timestamp, sample_by_distance (Temporal)");
  EXPECT_THAT(parse_error("train { [lab.options] { width: 3 } }"),
              HasSubstr("unknown field \"[lab.options]\" in Train"));
}

TEST(Extensions, AreSetByPath) {
  const Document document =
      load({.config = "mini_step1",
            .sets = {"temporal.[lab.options].width=9", "temporal.[lab.options].rates=[0.5,1,2]",
                     "temporal.[lab.options].rates[1]=4", "temporal.[lab.options].parts[0]={ name: \"a\" }",
                     "temporal.[lab.options].parts[0].size=3", "temporal.[lab.factors]=[1,2]",
                     "temporal.[lab.factors][1]=5"}});
  EXPECT_EQ(options_of(document).width(), 9);
  EXPECT_THAT(options_of(document).rates(), ElementsAre(0.5, 4, 2));
  EXPECT_EQ(options_of(document).parts(0).name(), "a");
  EXPECT_EQ(options_of(document).parts(0).size(), 3);
  EXPECT_EQ(document.proto.temporal().GetExtension(lab::factors, 1), 5);
  EXPECT_THAT(set_error("temporal.[lab.options].widht=1"), HasSubstr("did you mean \"width\"?"));
  EXPECT_THAT(set_error("temporal.[lab.option].width=1"),
              HasSubstr("unknown field \"[lab.option]\" in Temporal, did you mean \"[lab.options]\"?"));
  EXPECT_THAT(set_error("temporal.options.width=1"), HasSubstr("[lab.options]"));
  EXPECT_THAT(set_error("temporal.[lab.options=1"), HasSubstr("unknown field"));
  EXPECT_THAT(set_error("temporal.[]=1"), HasSubstr("unknown field"));
  EXPECT_THAT(set_error("train.[lab.options].width=1"), HasSubstr("unknown field"));
}

TEST(Extensions, AreLaidOverOneAnother) {
  Document base = parse_document("temporal { [lab.options] { width: 1 rates: [1, 2] parts { size: 1 } } }", "base");
  overlay_document(base, parse_document("temporal {\n [lab.options] { rates: 9 scale: 2 } }", "over"));
  EXPECT_EQ(options_of(base).width(), 1);
  EXPECT_EQ(options_of(base).scale(), 2);
  EXPECT_THAT(options_of(base).rates(), ElementsAre(9));
  EXPECT_EQ(options_of(base).parts_size(), 1);
  EXPECT_EQ(base.place("temporal.[lab.options].rates[0]"), "over:2");
  EXPECT_EQ(base.place("temporal.[lab.options].width"), "base:1");
}

TEST(Extensions, NumbersMustBeFinite) {
  EXPECT_THAT(set_error("temporal.[lab.options].scale=nan"), HasSubstr("temporal.[lab.options].scale"));
  EXPECT_THAT(set_error("temporal.[lab.options].rates=[inf]"), HasSubstr("temporal.[lab.options].rates[0]"));
}

}  // namespace
}  // namespace bevgrad::configs

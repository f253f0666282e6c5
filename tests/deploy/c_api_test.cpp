// The C API, used by a program in C: it gives what predict gives, and every error is a line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "deploy/predict_program.h"
#include "deploy/random_checkpoint.h"
#include "train/frame_stream.h"
#include "train/predict_file.h"
#include "train/predict_inputs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Maps = std::map<std::string, std::vector<double>>;

/// Frames of bytes with their calibrations, as C has them.
struct CFrames {
  explicit CFrames(const configs::Document& document) {
    Tensor bytes = zeros({4, 4, 3, 32, 48}, {.dtype = DType::UInt8});
    for (int64_t i = 0; i < bytes.numel(); ++i) bytes.data<uint8_t>()[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
    inputs.emplace(write_inputs(document, "c_api_in.h5", true, bytes), document.proto);
    for (const config::CameraGroup& group : document.proto.sensors().groups())
      for (const config::Camera& camera : group.cameras()) names.push_back(camera.name());
    for (int64_t i = 0; i < inputs->size(); ++i) add(inputs->input(i), inputs->moment(i));
  }

  void add(const NetworkInput& input, const FrameMoment& moment) {
    std::vector<bevgrad_picture>& row = pictures.emplace_back();
    size_t camera = 0;
    for (const Tensor& images : input.images) {
      for (int64_t i = 0; i < images.size(0); ++i, ++camera) {
        const Camera& at = input.cameras[0][camera];
        const Tensor image = ops::contiguous(ops::permute(ops::select(images, 0, i), {1, 2, 0}));
        pixels.push_back(image);
        bevgrad_picture picture{.camera = names[camera].c_str(),
                                .pixels = image.data<const uint8_t>(),
                                .height = image.size(0),
                                .width = image.size(1),
                                .fx = at.fx,
                                .fy = at.fy,
                                .cx = at.cx,
                                .cy = at.cy,
                                .distortion = {},
                                .sensor2ego = {}};
        std::copy_n(at.distortion.begin(), 5, picture.distortion);
        std::ranges::copy(at.sensor2ego.m, picture.sensor2ego);
        row.push_back(picture);
      }
    }
    std::ranges::reverse(row);  // they go by name
    points.push_back(ops::contiguous(input.points[0]));
    bevgrad_frame frame{.pictures = row.data(),
                        .picture_count = row.size(),
                        .points = points.back().data<const float>(),
                        .point_count = static_cast<size_t>(points.back().size(0)),
                        .sequence = moment.sequence,
                        .timestamp = moment.timestamp,
                        .ego_pose = {}};
    std::ranges::copy(moment.ego_pose.m, frame.ego_pose);
    frames.push_back(frame);
  }

  std::optional<PredictInputs> inputs;
  std::vector<std::string> names;
  std::vector<Tensor> pixels, points;
  std::deque<std::vector<bevgrad_picture>> pictures;
  std::vector<bevgrad_frame> frames;
};

/// What the program gives, a row a frame; `error` where it fails.
std::vector<Maps> run(const std::string& config, const std::string& ckpt, const std::vector<bevgrad_frame>& frames,
                      std::string& error, const std::vector<std::string>& more = {}) {
  std::vector<std::string> texts = tiny_settings();
  texts.insert(texts.end(), more.begin(), more.end());
  std::vector<const char*> sets;
  for (const std::string& text : texts) sets.push_back(text.c_str());
  const predict_program_input input{.config = config.c_str(),
                                    .sets = sets.data(),
                                    .set_count = sets.size(),
                                    .ckpt = ckpt.c_str(),
                                    .frames = frames.data(),
                                    .frame_count = frames.size()};
  std::vector<Maps> rows(frames.size() + 1);
  const auto sink = [](void* context, size_t frame, const bevgrad_output* output) {
    int64_t count = 1;
    for (size_t d = 0; d < output->rank; ++d) count *= output->sizes[d];
    (*static_cast<std::vector<Maps>*>(context))[frame][output->name] =
        std::vector<double>(output->values, output->values + count);
  };
  char* message = nullptr;
  const int status = predict_program(&input, sink, &rows, &message);
  error = message == nullptr ? "" : message;
  EXPECT_EQ(status == 0, error.empty());
  EXPECT_THAT(error, Not(HasSubstr("\n")));
  bevgrad_predict_free(message);
  return rows;
}

/// NaN, in rows that are not used, equals itself.
void expect_same(const std::vector<double>& a, const std::vector<double>& b, const std::string& name) {
  ASSERT_EQ(a.size(), b.size()) << name;
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_TRUE(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) << name << " at " << i;
}

TEST(PredictCApi, AProgramInCGetsWhatPredictGives) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string ckpt = random_checkpoint(document, "c_api.h5");
  CFrames given(document);
  std::string error;
  const std::vector<Maps> rows = run("mini_step2_static", ckpt, given.frames, error);
  ASSERT_EQ(error, "");
  RunLog log("", true);
  TrainedNetwork trained(document, {.ckpt = ckpt}, log, standard_parts());
  FrameStream stream(trained);
  for (int64_t i = 0; i < given.inputs->size(); ++i) {
    const NamedTensors expected = outputs_of(given.inputs->play(i, stream).maps, trained.tasks());
    ASSERT_EQ(rows[static_cast<size_t>(i)].size(), expected.size());
    for (const auto& [name, value] : expected)
      expect_same(rows[static_cast<size_t>(i)].at(name), ops::contiguous(value, MemoryFormat::Contiguous).to_vector(),
                  name);
  }
  for (const auto& [name, values] : rows.front()) expect_same(rows.back().at(name), values, name);
  EXPECT_NE(rows[1].at("lane_logits"), rows[0].at("lane_logits"));
}

TEST(PredictCApi, WhatIsWrongComesBackAsALine) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string ckpt = random_checkpoint(document, "c_api_wrong.h5");
  const CFrames given(document);
  const auto error_of = [&](const std::function<void(bevgrad_frame&, std::vector<bevgrad_picture>&)>& spoil) {
    bevgrad_frame frame = given.frames[0];
    std::vector<bevgrad_picture> pictures = given.pictures[0];
    frame.pictures = pictures.data();
    spoil(frame, pictures);
    frame.picture_count = pictures.size();
    std::string error;
    run("mini_step2_static", ckpt, {frame}, error);
    return error;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(error_of([](auto&, auto& pictures) { pictures.pop_back(); }), HasSubstr("camera front: no picture came"));
  EXPECT_THAT(error_of([](auto&, auto& pictures) { pictures[0].camera = "front"; }), HasSubstr("two pictures came"));
  EXPECT_THAT(error_of([](auto&, auto& pictures) { pictures[0].width = 47; }), HasSubstr("expected 32 x 48"));
  EXPECT_THAT(error_of([](auto&, auto& pictures) { pictures[0].pixels = nullptr; }), HasSubstr("NULL"));
  EXPECT_THAT(error_of([&](auto&, auto& pictures) { pictures[0].fx = nan; }), HasSubstr("fx must be positive"));
  EXPECT_THAT(error_of([&](auto&, auto& pictures) { pictures[0].sensor2ego[3] = nan; }), HasSubstr("camera right"));
  EXPECT_THAT(error_of([&](auto& frame, auto&) { frame.ego_pose[0] = 7; }), HasSubstr("no rigid transform"));
  EXPECT_THAT(error_of([&](auto& frame, auto&) { frame.timestamp = nan; }), HasSubstr("timestamp"));
  EXPECT_THAT(error_of([](auto& frame, auto&) { frame.points = nullptr; }), HasSubstr("points, but they are NULL"));
  EXPECT_THAT(error_of([](auto& frame, auto&) { frame.point_count = SIZE_MAX; }), HasSubstr("points, expected up to"));
  EXPECT_THAT(error_of([](auto&, auto& pictures) { pictures.push_back(pictures[0]); }), HasSubstr("5 pictures"));
  EXPECT_THAT(error_of([](auto&, auto& pictures) { pictures[0].camera = nullptr; }), HasSubstr("NULL"));
  EXPECT_THAT(error_of([](auto&, auto& pictures) { std::swap(pictures[2].sensor2ego, pictures[3].sensor2ego); }),
              AllOf(HasSubstr("which is \"front\" in the config"), HasSubstr("\"back\"")));
  std::vector<float> points(200, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(error_of([&](auto& frame, auto&) { frame.points = points.data(), frame.point_count = 50; }), "")
      << "points that are not finite are no points";
  std::string error;
  run("no_such_config", ckpt, given.frames, error);
  EXPECT_THAT(error, HasSubstr("no_such_config"));
  run("mini_step2_static", "nowhere.ckpt", given.frames, error);
  EXPECT_THAT(error, HasSubstr("nowhere.ckpt"));
  run("mini_step2_static", ckpt, given.frames, error, {"network.view_heights=[0, 3]"});
  EXPECT_THAT(error, HasSubstr("it was trained with another config"));
  run("mini_step2_static", ckpt, given.frames, error, {"temporal.warp=sideways"});
  EXPECT_THAT(error, HasSubstr("temporal.warp"));
}

bevgrad_predictor* opened(const std::string& ckpt) {
  const std::vector<std::string> texts = tiny_settings();
  std::vector<const char*> sets;
  for (const std::string& text : texts) sets.push_back(text.c_str());
  char* error = nullptr;
  bevgrad_predictor* predictor =
      bevgrad_predict_open("mini_step2_static", sets.data(), sets.size(), ckpt.c_str(), 1, &error);
  EXPECT_NE(predictor, nullptr) << error;
  return predictor;
}

std::vector<float> lanes_of(const bevgrad_predictor* predictor) {
  bevgrad_output output;
  for (size_t i = 0; bevgrad_predict_output(predictor, i, &output) == 0; ++i)
    if (std::string(output.name) == "lane_logits")
      return {output.values, output.values + output.sizes[1] * output.sizes[2] * output.sizes[3]};
  return {};
}

/// Plays the frames and gives the lanes of all.
std::vector<std::vector<float>> lanes_of_drive(const std::string& ckpt, const std::vector<bevgrad_frame>& frames) {
  bevgrad_predictor* predictor = opened(ckpt);
  std::vector<std::vector<float>> lanes;
  for (const bevgrad_frame& frame : frames) {
    char* error = nullptr;
    EXPECT_EQ(bevgrad_predict_frame(predictor, &frame, &error), 0) << error;
    lanes.push_back(lanes_of(predictor));
  }
  bevgrad_predict_close(predictor);
  return lanes;
}

TEST(PredictCApi, PredictorsRunSideBySideInThreads) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const std::string ckpt = random_checkpoint(document, "c_api_threads.h5");
  const CFrames given(document);
  const std::vector<std::vector<float>> alone = lanes_of_drive(ckpt, given.frames);
  std::vector<std::vector<std::vector<float>>> beside(4);
  std::vector<std::thread> threads;
  for (auto& lanes : beside) threads.emplace_back([&] { lanes = lanes_of_drive(ckpt, given.frames); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& lanes : beside) EXPECT_EQ(lanes, alone);
}

TEST(PredictCApi, ThreadsTakeTurnsWithOnePredictor) {
  const configs::Document document = TinyData::get().document("mini_step2_static");
  const CFrames given(document);
  bevgrad_predictor* predictor = opened(random_checkpoint(document, "c_api_turns.h5"));
  std::atomic<int> computed = 0, refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        char* error = nullptr;
        if (bevgrad_predict_frame(predictor, &given.frames[0], &error) == 0) {
          ++computed;
          continue;
        }
        EXPECT_STREQ(error, "another thread's frame is being computed");
        bevgrad_predict_free(error);
        ++refused;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(computed + refused, 80);
  EXPECT_GT(computed, 0);
  EXPECT_EQ(bevgrad_predict_forget(predictor), 0);
  EXPECT_EQ(bevgrad_predict_frame(predictor, &given.frames[0], nullptr), 0) << "it is as before";
  bevgrad_predict_close(predictor);
}

TEST(PredictCApi, ItTellsWhatItTakes) {
  const configs::Document document = TinyData::get().document("mini_step1");
  const std::string ckpt = random_checkpoint(document, "c_api_step1.h5");
  std::vector<const char*> sets;
  const std::vector<std::string> texts = tiny_settings();
  for (const std::string& text : texts) sets.push_back(text.c_str());
  char* error = nullptr;
  bevgrad_predictor* predictor = bevgrad_predict_open("mini_step1", sets.data(), sets.size(), ckpt.c_str(), 0, &error);
  ASSERT_NE(predictor, nullptr) << error;
  bevgrad_camera camera;
  std::vector<std::string> names;
  for (size_t i = 0; bevgrad_predict_camera(predictor, i, &camera) == 0; ++i) {
    names.push_back(fmt::format("{}/{}", camera.group, camera.name));
    EXPECT_EQ(camera.height, 32);
    EXPECT_EQ(camera.width, 48);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("front/front", "back/back", "side/left", "side/right"));
  EXPECT_EQ(bevgrad_predict_takes_points(predictor), 1);
  EXPECT_EQ(bevgrad_predict_takes_moment(predictor), 0);
  bevgrad_output output;
  EXPECT_EQ(bevgrad_predict_output(predictor, 0, &output), -1) << "no frame came yet";
  EXPECT_EQ(bevgrad_predict_frame(predictor, nullptr, nullptr), -1);
  EXPECT_EQ(bevgrad_predict_frame(nullptr, nullptr, &error), -1);
  bevgrad_predict_free(error);
  EXPECT_EQ(bevgrad_predict_camera(predictor, SIZE_MAX, &camera), -1);
  EXPECT_EQ(bevgrad_predict_output(predictor, SIZE_MAX, &output), -1);
  bevgrad_predict_close(predictor);
}

TEST(PredictCApi, NullIsAnsweredAndHarmless) {
  char* error = nullptr;
  for (const auto& [config, sets, count, ckpt, threads] :
       {std::tuple<const char*, const char* const*, size_t, const char*, int>{nullptr, nullptr, 0, "x", 0},
        {"mini_step1", nullptr, 0, nullptr, 0},
        {"mini_step1", nullptr, 2, "x", 0},
        {"mini_step1", nullptr, SIZE_MAX, "x", 0},
        {"mini_step1", nullptr, 0, "x", -1},
        {"mini_step1", nullptr, 0, "", 0},
        {"", nullptr, 0, "x", 0}}) {
    EXPECT_EQ(bevgrad_predict_open(config, sets, count, ckpt, threads, &error), nullptr);
    ASSERT_NE(error, nullptr);
    EXPECT_THAT(error, Not(HasSubstr("\n")));
    bevgrad_predict_free(error);
    EXPECT_EQ(bevgrad_predict_open(config, sets, count, ckpt, threads, nullptr), nullptr);
  }
  bevgrad_camera camera;
  bevgrad_output output;
  EXPECT_EQ(bevgrad_predict_camera(nullptr, 0, &camera), -1);
  EXPECT_EQ(bevgrad_predict_output(nullptr, 0, &output), -1);
  EXPECT_EQ(bevgrad_predict_takes_points(nullptr), 0);
  EXPECT_EQ(bevgrad_predict_takes_moment(nullptr), 0);
  EXPECT_EQ(bevgrad_predict_forget(nullptr), -1);
  bevgrad_predict_close(nullptr);
  bevgrad_predict_free(nullptr);
}

}  // namespace
}  // namespace bevgrad

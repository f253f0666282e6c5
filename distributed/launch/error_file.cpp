#include "distributed/launch/error_file.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace bevgrad {

using nlohmann::json;

void write_error_file(const std::string& message) {
  const char* path = std::getenv("TORCHELASTIC_ERROR_FILE");
  if (!path || !*path || access(path, F_OK) == 0) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const json note = {
      {"message",
       {{"message", message},
        {"extraInfo",
         {{"py_callstack", message},
          {"timestamp", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count())},
          {"timestamp_us", std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count())}}}}}};
  try {
    write_text_file(path, note.dump(-1, ' ', false, json::error_handler_t::replace));
  } catch (const Error&) {
    // Nobody is left to be told.
  }
}

std::optional<FailureNote> read_error_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(1 << 20, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  const json note = json::parse(text, nullptr, false);
  if (!note.is_object() || !note.contains("message")) return std::nullopt;
  const json& message = note["message"];
  FailureNote failure;
  if (message.is_string()) failure.message = message.get<std::string>();
  if (message.is_object()) {
    if (message.contains("message") && message["message"].is_string())
      failure.message = message["message"].get<std::string>();
    const json extra = message.value("extraInfo", json::object());
    const auto number = [&extra](const char* name) {
      const auto found = extra.is_object() ? extra.find(name) : extra.end();
      if (!extra.is_object() || found == extra.end()) return 0.0;
      return found->is_string()   ? std::atof(found->get<std::string>().c_str())
             : found->is_number() ? found->get<double>()
                                  : 0.0;
    };
    failure.timestamp = number("timestamp_us") > 0 ? number("timestamp_us") / 1e6 : number("timestamp");
  }
  return failure.message.empty() ? std::nullopt : std::optional(failure);
}

}  // namespace bevgrad

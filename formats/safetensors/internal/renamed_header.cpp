#include "safetensors/internal/renamed_header.h"

#include <string_view>
#include <vector>

#include "base/error.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr uint64_t kHeaderBegin = 8;
constexpr std::string_view kBlanks = " \t\r\n";

/// One past the string that begins at `at`.
size_t string_end(std::string_view text, size_t at) {
  for (++at; text[at] != '"'; ++at) at += text[at] == '\\' ? 1 : 0;
  return at + 1;
}

/// One past the value that begins at `at`: an object, which is all that a header has.
size_t value_end(std::string_view text, size_t at) {
  int depth = 0;
  do {
    if (text[at] == '"') {
      at = string_end(text, at);
      continue;
    }
    depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    ++at;
  } while (depth > 0);
  return at;
}

struct Member {
  size_t name = 0;   // the quote before it
  size_t colon = 0;  // behind it and any blanks
  size_t end = 0;    // of its value
};

std::vector<Member> members_of(std::string_view header) {
  std::vector<Member> out;
  size_t at = header.find_first_not_of(kBlanks, header.find('{') + 1);
  while (header[at] == '"') {
    Member member{.name = at};
    member.colon = header.find(':', string_end(header, at));
    member.end = value_end(header, header.find_first_not_of(kBlanks, member.colon + 1));
    out.push_back(member);
    at = header.find_first_of(",}", member.end);
    if (header[at] == ',') at = header.find_first_not_of(kBlanks, at + 1);
  }
  return out;
}

}  // namespace

FilePatch rename_in_header(const std::shared_ptr<const ByteSource>& source,
                           const std::map<std::string, std::string>& names) {
  ByteCursor cursor(source, 0, source->size());
  const std::string header = cursor.take(cursor.u64());
  std::string in_place = header;
  std::string anew = "{";
  bool fits = true;
  for (const Member& member : members_of(header)) {
    std::string token = header.substr(member.name, string_end(header, member.name) - member.name);
    const std::string name = parse_json(token, source->name()).text;
    if (const auto renamed = names.find(name); renamed != names.end()) {
      token = json_string(renamed->second);
      const size_t room = member.colon - member.name;
      fits = fits && token.size() <= room;
      if (fits) in_place.replace(member.name, room, token + std::string(room - token.size(), ' '));
    }
    anew += (anew.size() > 1 ? "," : "") + token + header.substr(member.colon, member.end - member.colon);
  }
  if (fits) return {.appended = {}, .at = kHeaderBegin, .bytes = in_place};
  anew += "}";
  check(anew.size() <= header.size(),
        "{}: with these names the header takes {} bytes, and {} are there before the values", source->name(),
        anew.size(), header.size());
  anew.resize(header.size(), ' ');
  return {.appended = {}, .at = kHeaderBegin, .bytes = anew};
}

}  // namespace bevgrad

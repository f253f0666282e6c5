#include "internal/data_agreement.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>

#include "base/error.h"
#include "base/text_difference.h"

namespace bevgrad {
namespace {

constexpr int64_t kRecordsLookedAt = 16;

std::string describe_data(const Dataset& dataset) {
  std::string text = fmt::format("samples: {}\nlists' digest: {:016x}\n", dataset.size(), dataset.fingerprint());
  for (size_t i = 0; i < dataset.stores().size(); ++i)
    text += fmt::format("records in LMDB {}: {}\n", i + 1, dataset.stores()[i].size());
  const int64_t looked_at = std::min(kRecordsLookedAt, dataset.size());
  for (int64_t i = 0; i < looked_at; ++i) {
    const int64_t entry = i * dataset.size() / looked_at;
    const std::string bytes = dataset.load_bytes(entry);
    text += fmt::format("record {}: {} bytes, digest {:016x}\n", dataset.entry(entry).key, bytes.size(),
                        XXH3_64bits(bytes.data(), bytes.size()));
  }
  return text;
}

}  // namespace

void require_same_data(ProcessGroup& group, const std::string& name, const Dataset& dataset) {
  if (group.size() == 1) return;
  char host[256] = "?";
  gethostname(host, sizeof(host) - 1);
  const std::string here = fmt::format("process {} on {}\n", getpid(), host);
  const std::vector<std::string> texts = gather_texts(group, here + describe_data(dataset));
  const auto data_of = [](const std::string& text) { return text.substr(text.find('\n') + 1); };
  for (size_t rank = 1; rank < texts.size(); ++rank) {
    const std::string difference =
        first_difference(data_of(texts[0]), data_of(texts[rank]), "on rank 0", fmt::format("on rank {}", rank));
    check(difference.empty(), "rank {} ({}) reads other {} data than rank 0: {}", rank,
          texts[rank].substr(0, texts[rank].find('\n')), name, difference);
  }
}

}  // namespace bevgrad

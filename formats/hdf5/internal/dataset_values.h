// Datasets of an HDF5 file as values of a document: what the readers of its structure share.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "formats/hdf5/tensor_file.h"
#include "formats/value.h"
#include "hdf5/internal/shared_storage.h"

namespace bevgrad {

class DatasetValues {
 public:
  DatasetValues(std::shared_ptr<const ByteSource> source, Document& document)
      : path_(source->name()), document_(document), file_(std::move(source)) {}

  const Hdf5Reader& file() const { return file_; }
  Document& document() { return document_; }

  /// Throws Error naming the file and the object.
  template <class... Args>
  [[noreturn]] void wrong(const std::string& at, fmt::format_string<Args...> format, Args&&... args) const {
    wrong_at(at, fmt::format(format, std::forward<Args>(args)...));
  }

  /// A tensor with the storage, offset and strides that its attributes state, once finish() has been called.
  NodeId tensor(const std::string& at);
  /// One text, or a list of them.
  NodeId texts(const std::string& at);
  std::string bytes(const std::string& at);
  /// A dataset of numbers as a list of Float, Int or Bool nodes.
  std::vector<NodeId> numbers(const std::string& at);

  /// Counts values, of which there may be `limit`.
  void count(uint64_t values, const std::string& at);
  /// Counts bytes of texts: an honest file has room for them.
  void charge(const std::string& at, uint64_t bytes);
  /// Gives the tensors that share storages their storages.
  void finish() { storages_.attach(document_); }

 private:
  [[noreturn]] void wrong_at(const std::string& at, const std::string& what) const;
  Shape parse_strides(const std::string& at, std::string_view text) const;

  const std::string path_;
  Document& document_;
  Hdf5Reader file_;
  SharedStorages storages_;
  uint64_t values_ = 0;
  uint64_t texts_ = 0;
};

}  // namespace bevgrad

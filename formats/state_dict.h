// Any checkpoint, by content: PyTorch's zip, legacy and tar files, safetensors, HDF5, NumPy's .npz and .npy, GGUF,
// ONNX, TensorFlow's; and those that are several files: Hugging Face's shards, PyTorch's distributed checkpoints,
// DeepSpeed's ZeRO.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/stored_tensor.h"
#include "formats/value.h"

namespace bevgrad {

/// Parameters and buffers by name, in order.
using StateDict = std::vector<std::pair<std::string, Tensor>>;

enum class FileFormat {
  TorchZip,
  TorchLegacy,
  TorchTar,
  Safetensors,
  Hdf5,
  Pickle,
  Npz,
  Npy,
  Gguf,
  Onnx,
  Tensorflow,
  Shards,
  Distributed,
  DeepSpeed
};
std::string_view name(FileFormat format);
/// Whether files of this format hold pickles, which other programs run.
bool has_pickles(FileFormat format);
/// By the first bytes. Throws Error naming the file where it is none of these, or something known that is refused (a
/// TorchScript archive, ...).
FileFormat detect_format(const std::shared_ptr<const ByteSource>& source);

/// An opened checkpoint: its whole structure, of which no tensor has been read.
struct CheckpointFile {
  std::string path;
  FileFormat format = FileFormat::TorchZip;
  std::shared_ptr<Document> document;
  Value root() const { return Value::root(document); }
};
/// What to do where a pickle names something whose call would do harm: nothing is ever called, but a file that tries is
/// not one to go on with.
enum class Foreign { RefuseHarmful, Allow };
/// Of a file, an index of shards, or a folder that holds one checkpoint.
CheckpointFile open_checkpoint(const std::string& path, Foreign foreign = Foreign::RefuseHarmful);

struct NamedTensor {
  std::string name;
  StoredTensor tensor;
};
/// The parameters in the file: the mapping under "state_dict", "model_state_dict", "model", "net", ... or the root
/// itself, nested mappings joined with dots. Throws where there is none, a key is not a string or comes twice.
std::vector<NamedTensor> named_tensors(const CheckpointFile& file);

/// Cuts prefixes that all names share, repeatedly: "module." (DistributedDataParallel), "_orig_mod." (torch.compile)
/// and "model.", "net." (Lightning attributes). Returns what was cut ("module.model.").
std::string strip_common_prefixes(std::vector<std::string>& names);

struct LoadedStateDict {
  StateDict tensors;
  std::string stripped_prefix;
  FileFormat format = FileFormat::TorchZip;
  /// Everything else in the file (global_step, epoch, hyper_parameters, ...): the root of the document.
  Value metadata;
};
/// Opens a file and reads all its parameters into engine tensors. Prefixes that all names share are cut.
LoadedStateDict load_state_dict(const std::string& path);

}  // namespace bevgrad

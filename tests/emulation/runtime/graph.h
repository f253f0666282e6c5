// Stream capture: what is queued on a stream, and on those that join it through events, becomes the nodes of a graph.
#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "runtime/stream.h"

namespace bevgrad::emulation {

struct Node {
  Task task;
  std::vector<size_t> after;  // nodes that come before it
};
using Nodes = std::vector<Node>;

class Capture : public std::enable_shared_from_this<Capture> {
 public:
  Capture(Stream& origin, cudaStreamCaptureMode mode);

  void add(Stream& stream, Task task);
  /// The stream goes on after these nodes, too; one that was not captured is from now on.
  void join(Stream& stream, const std::vector<size_t>& after);
  /// No stream is captured any more. Whether the work of all of them comes before the end of the origin's.
  bool end();

  Stream& origin() const { return *origin_; }
  cudaStreamCaptureMode mode() const { return mode_; }
  std::thread::id thread() const { return thread_; }
  bool invalid() const { return invalid_; }
  void invalidate() { invalid_ = true; }
  const std::shared_ptr<Nodes>& nodes() const { return nodes_; }

 private:
  Stream* origin_;
  cudaStreamCaptureMode mode_;
  std::thread::id thread_ = std::this_thread::get_id();
  bool invalid_ = false;
  std::shared_ptr<Nodes> nodes_ = std::make_shared<Nodes>();
  std::vector<Stream*> streams_;
};

/// Whether a capture forbids a call that may wait for the device or change its memory at once; if so, that capture is
/// no longer valid.
bool capture_forbids_call();

}  // namespace bevgrad::emulation

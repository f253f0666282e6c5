#include "internal/gloo_transport.h"

#include <gloo/common/error.h>
#include <gloo/transport/context.h>

namespace bevgrad {
namespace {

using gloo::transport::kUnsetTimeout;

class MeshBuffer final : public gloo::transport::UnboundBuffer {
 public:
  MeshBuffer(Mesh& mesh, void* data, size_t bytes, std::chrono::milliseconds timeout)
      : UnboundBuffer(data, bytes), mesh_(mesh), timeout_(timeout), tally_(std::make_shared<Mesh::Tally>()) {}

  bool waitRecv(int* rank, std::chrono::milliseconds timeout) override {
    mesh_.wait_received(*tally_, ++received_, timeout == kUnsetTimeout ? timeout_ : timeout);
    if (rank) *rank = tally_->last_source;
    return true;
  }
  bool waitSend(int*, std::chrono::milliseconds timeout) override {
    mesh_.wait_sent(*tally_, ++sent_, timeout == kUnsetTimeout ? timeout_ : timeout);
    return true;
  }
  // Whoever waits moves the bytes himself: there is no other thread that could wait.
  void abortWaitRecv() override {}
  void abortWaitSend() override {}

  void send(int to, uint64_t slot, size_t offset, size_t bytes) override {
    mesh_.send(to, slot, at(offset), length(offset, bytes), tally_);
  }
  void recv(int from, uint64_t slot, size_t offset, size_t bytes) override {
    mesh_.receive(from, slot, at(offset), length(offset, bytes), tally_);
  }
  void recv(std::vector<int>, uint64_t, size_t, size_t) override {
    throw gloo::InvalidOperationException("receiving from any rank is not offered");
  }

 private:
  char* at(size_t offset) const { return static_cast<char*>(ptr) + offset; }
  size_t length(size_t offset, size_t bytes) const { return bytes == kUnspecifiedByteCount ? size - offset : bytes; }

  Mesh& mesh_;
  std::chrono::milliseconds timeout_;
  std::shared_ptr<Mesh::Tally> tally_;
  int64_t sent_ = 0, received_ = 0;
};

class MeshAddress final : public gloo::transport::Address {
 public:
  std::string str() const override { return "mesh"; }
  std::vector<char> bytes() const override { return {}; }
};

/// The collectives only ask whether there is one.
class MeshPair final : public gloo::transport::Pair {
 public:
  const gloo::transport::Address& address() const override { return address_; }
  void connect(const std::vector<char>&) override {}
  void close() override {}
  void setSync(bool, bool) override {}
  std::unique_ptr<gloo::transport::Buffer> createSendBuffer(int, void*, size_t) override { refuse(); }
  std::unique_ptr<gloo::transport::Buffer> createRecvBuffer(int, void*, size_t) override { refuse(); }
  void send(gloo::transport::UnboundBuffer*, uint64_t, size_t, size_t) override { refuse(); }
  void recv(gloo::transport::UnboundBuffer*, uint64_t, size_t, size_t) override { refuse(); }

 private:
  [[noreturn]] static void refuse() {
    throw gloo::InvalidOperationException("bound buffers are not offered, only the unbound ones");
  }
  MeshAddress address_;
};

class MeshTransport final : public gloo::transport::Context {
 public:
  explicit MeshTransport(Mesh& mesh) : Context(mesh.rank(), mesh.size()), mesh_(mesh) {
    for (int peer = 0; peer < mesh.size(); ++peer) {
      if (peer != mesh.rank()) createPair(peer);
    }
    setTimeout(mesh.timeout());
  }
  std::unique_ptr<gloo::transport::Pair>& createPair(int peer) override {
    pairs_.at(static_cast<size_t>(peer)) = std::make_unique<MeshPair>();
    return pairs_[static_cast<size_t>(peer)];
  }
  std::unique_ptr<gloo::transport::UnboundBuffer> createUnboundBuffer(void* data, size_t bytes) override {
    return std::make_unique<MeshBuffer>(mesh_, data, bytes, getTimeout());
  }

 private:
  Mesh& mesh_;
};

class MeshContext final : public gloo::Context {
 public:
  explicit MeshContext(Mesh& mesh) : Context(mesh.rank(), mesh.size()) {
    transportContext_ = std::make_shared<MeshTransport>(mesh);
    setTimeout(mesh.timeout());
  }
};

}  // namespace

std::shared_ptr<gloo::Context> make_gloo_context(Mesh& mesh) {
  return std::make_shared<MeshContext>(mesh);
}

}  // namespace bevgrad

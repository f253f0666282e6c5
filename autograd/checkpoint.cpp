#include "autograd/checkpoint.h"

#include "autograd/autocast.h"
#include "internal/node.h"
#include "internal/remake.h"
#include "tensor/thread_scopes.h"

namespace bevgrad {

// What is done once in a run of a checkpointed stretch: written down in the first, read in the second.
struct tape::Notes {
  std::vector<uint64_t> draws = {};
  std::vector<std::vector<Tensor>> computed = {};
  bool is_second = false;
  size_t draws_read = 0, computed_read = 0;
  Notes* around = nullptr;  // of the run that this one is part of
};

namespace {

using tape::Notes;

class NotesGuard {
 public:
  explicit NotesGuard(Notes& now) {
    now.around = thread_scopes().notes;
    thread_scopes().notes = &now;
  }
  ~NotesGuard() { thread_scopes().notes = thread_scopes().notes->around; }
  NotesGuard(const NotesGuard&) = delete;
  NotesGuard& operator=(const NotesGuard&) = delete;
};

// `list` and `read`: where a kind of notes is, and how many of them have been read.
template <class T>
T noted(Notes* run, std::vector<T> Notes::*list, size_t Notes::*read, const std::function<T()>& make) {
  if (!run) return make();
  std::vector<T>& values = run->*list;
  if (!run->is_second) {
    values.push_back(noted(run->around, list, read, make));
    return values.back();
  }
  check(run->*read < values.size(),
        "checkpoint: the second run draws more random numbers or statistics than the first");
  return values[(run->*read)++];
}

// The saved tensor as a handle that leads where `slot` does.
Tensor with_slot(const tape::KeptInput& saved, const std::shared_ptr<tape::Slot>& slot) {
  if (!saved.defined()) return {};
  Tensor handle = detach(saved.get());
  handle.autograd_slot() = slot;
  return handle;
}

}  // namespace

uint64_t replayed_draw(const std::function<uint64_t()>& draw) {
  return noted(thread_scopes().notes, &Notes::draws, &Notes::draws_read, draw);
}

std::vector<Tensor> computed_once(const std::function<std::vector<Tensor>()>& compute) {
  return noted(thread_scopes().notes, &Notes::computed, &Notes::computed_read, compute);
}

bool is_recomputing() {
  for (const Notes* run = thread_scopes().notes; run; run = run->around)
    if (run->is_second) return true;
  return false;
}

Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                  const std::vector<Tensor>& parameters) {
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), parameters.begin(), parameters.end());
  if (!will_record(all)) return f(inputs);

  Tensor output;
  Notes first;
  {
    const NoGradGuard no_grad;
    const NotesGuard guard(first);
    output = f(inputs);
  }
  std::vector<tape::KeptInput> saved;
  for (const Tensor& tensor : all) saved.emplace_back(tensor);
  output = record("checkpoint", detach(output), std::move(all), nullptr);
  tape::meta_of(output)->node->again = [f, saved = std::move(saved), count = inputs.size(), autocast = autocast_dtype(),
                                        first =
                                            std::move(first)](const std::vector<std::shared_ptr<tape::Slot>>& slots) {
    std::vector<Tensor> again;
    for (size_t i = 0; i < count; ++i) again.push_back(with_slot(saved[i], slots[i]));
    for (size_t i = count; i < saved.size(); ++i) saved[i].get();  // throws where one has moved since
    Notes second = first;
    second.is_second = true;
    const GradModeGuard grad_mode(true);
    const NotesGuard guard(second);
    const AutocastGuard cast(autocast);
    const tape::UserScope user;
    return f(again);
  };
  return output;
}

}  // namespace bevgrad

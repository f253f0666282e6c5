// A mesh as a transport of Gloo's, so that Gloo's collectives run over authenticated connections. Gloo's own TCP
// transport opens a listening socket a pair and takes whoever connects first; a stranger could join there.
#pragma once
#include <gloo/context.h>

#include <memory>

#include "distributed/mesh.h"

namespace bevgrad {

/// A context for gloo::allreduce and the others; the mesh must outlive it.
std::shared_ptr<gloo::Context> make_gloo_context(Mesh& mesh);

}  // namespace bevgrad

// OmegaConf's containers (hyper-parameters of Hydra and Lightning): each knows its parent, and every value in it is an
// object of its own. They are read as the plain structure that they hold.
#pragma once
#include "formats/value.h"

namespace bevgrad {

/// Puts the contents of DictConfig, ListConfig and the value nodes in their place, wherever they are mentioned. What
/// does not look as OmegaConf writes it stays an Object.
void resolve_omegaconf(Document& document);

}  // namespace bevgrad

// Private to configs/.
#pragma once
#include <google/protobuf/message.h>

namespace bevgrad::configs {

/// `base` with what `overlay` writes: values take the others' place, messages are merged field by field, and a list is
/// replaced, at any depth (MergeFrom would append to it).
void merge_over(google::protobuf::Message& base, const google::protobuf::Message& overlay);

}  // namespace bevgrad::configs

// The layers of a transformer (Vaswani et al., "Attention is all you need", 2017), with PyTorch's parameter names.
#pragma once
#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/layer_norm.h"
#include "nn/sequential.h"

namespace bevgrad {

enum class TransformerActivation { Relu, Gelu };

struct TransformerLayerSpec {
  int64_t d_model = 0, nhead = 1;
  int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  TransformerActivation activation = TransformerActivation::Relu;
  double layer_norm_eps = 1e-5;
  bool batch_first = false;
  /// Each norm before its part instead of behind the sum.
  bool norm_first = false;
  bool bias = true;
  uint64_t seed = 0;  ///< of the dropout's draws; layers of one model want different ones
};

/// What a TransformerEncoderLayer and a decoder layer share: the two linear layers with what stands between.
class TransformerFeedForward {
 public:
  explicit TransformerFeedForward(const TransformerLayerSpec& spec);
  Tensor run(const Tensor& x);

  Linear linear1;
  Dropout dropout;
  Linear linear2;

 private:
  TransformerActivation activation_;
};

struct EncoderMasks {
  Tensor src_mask = {}, src_key_padding_mask = {};  ///< as MultiheadAttention's attn_mask and key_padding_mask
  bool is_causal = false;
};

/// Children `self_attn`, `linear1`, `linear2`, `norm1`, `norm2`. x [L,N,E], or [N,L,E] with batch_first.
class TransformerEncoderLayer : public Module {
 public:
  explicit TransformerEncoderLayer(const TransformerLayerSpec& spec);
  Tensor forward(const Tensor& src, const EncoderMasks& masks = {});

 private:
  Tensor attended(const Tensor& x, const EncoderMasks& masks);

  bool norm_first_;
  MultiheadAttention self_attn_;
  TransformerFeedForward feed_forward_;
  LayerNorm norm1_, norm2_;
  Dropout dropout1_, dropout2_;
};

struct DecoderMasks {
  Tensor tgt_mask = {}, memory_mask = {}, tgt_key_padding_mask = {}, memory_key_padding_mask = {};
  bool tgt_is_causal = false;
};

/// Children `self_attn`, `multihead_attn` (to the encoder's output, `memory`), `linear1`, `linear2`, `norm1` to
/// `norm3`.
class TransformerDecoderLayer : public Module {
 public:
  explicit TransformerDecoderLayer(const TransformerLayerSpec& spec);
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {});

 private:
  Tensor self_attended(const Tensor& x, const DecoderMasks& masks);
  Tensor attended(const Tensor& x, const Tensor& memory, const DecoderMasks& masks);

  bool norm_first_;
  MultiheadAttention self_attn_, multihead_attn_;
  TransformerFeedForward feed_forward_;
  LayerNorm norm1_, norm2_, norm3_;
  Dropout dropout1_, dropout2_, dropout3_;
};

/// `layers.0`, `layers.1`, ...: the same layer so many times, each with draws of its own.
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(const TransformerLayerSpec& spec, int num_layers);
  Tensor forward(const Tensor& src, const EncoderMasks& masks = {});

 private:
  ModuleList<TransformerEncoderLayer> layers_;
};
class TransformerDecoder : public Module {
 public:
  TransformerDecoder(const TransformerLayerSpec& spec, int num_layers);
  Tensor forward(const Tensor& tgt, const Tensor& memory, const DecoderMasks& masks = {});

 private:
  ModuleList<TransformerDecoderLayer> layers_;
};

}  // namespace bevgrad

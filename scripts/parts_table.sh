#!/bin/sh
# What the network's parts cost beside the default ones of mini_step1: parameters, arithmetic, time and memory of a
# training step, a sample, as a table in Markdown. On one thread, unless OMP_NUM_THREADS says otherwise.
#
#   scripts/parts_table.sh [BEVGRAD]
bevgrad="${1:-build/release/bevgrad}"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
batch=2

row() {
  name=$1
  shift
  sets=""
  for set in "$@"; do sets="$sets --set $set"; done
  # shellcheck disable=SC2086  # settings hold no spaces
  "$bevgrad" bench step1 --config mini_step1 --batch $batch --repeats 3 $sets | awk -v name="$name" -v batch=$batch '
    $1 == "parameters" { parameters = $2 }
    $1 == "step" { time = $2 / ($3 == "s" ? 0.001 : 1) }
    /^work of/ { work = $6 }
    /^memory, activations/ { memory = $3 }
    END { printf "| %s | %.2f | %.2f | %.0f | %.0f |\n", name, parameters, work / batch, time / batch, memory / batch }'
}

echo "| parts | parameters, M | GFLOP | ms | activations, MB |"
echo "|---|---|---|---|---|"
row "the default: ResNet of width 8, FPN, ViewTransfer"
# Strides of 4, 8 and 16, as the default's.
published="network.stem_max_pool=true sensors.groups[0].taps=[1,2,3] sensors.groups[1].taps=[1,2,3]
  sensors.groups[2].taps=[1,2,3]"
row "ResNet-18" $published network.backbone_width=64 network.backbone_blocks=[2,2,2,2]
row "ResNet-50" $published network.backbone=BottleneckResNet network.backbone_width=64 network.backbone_blocks=[3,4,6,3]
row "RegNetY-400MF" $published network.backbone=RegNet
row "RegNetX-400MF" $published network.backbone=RegNet network.regnet.depths=[1,2,7,12] \
  network.regnet.widths=[32,64,160,400] network.regnet.group_width=16 network.regnet.se_ratio=0
row "EfficientNet-Lite0" $published network.backbone=EfficientNetLite
row "ConvNeXt-T" $published network.backbone=ConvNeXt
row "GeneralizedLSSFPN" network.neck=GeneralizedLSSFPN
row "LiftSplat" network.view_transform=LiftSplat
row "DeformableAttention" network.view_transform=DeformableAttention
row "GKT" network.view_transform=GKT
row "dynamic pillars" network.lidar.dynamic=true

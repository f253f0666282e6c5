#!/bin/sh
# Runs of a tiny config that are killed at random moments (ranks, launchers, while files are written, with signals, on a
# full disk) until they have come to their end, each compared bit for bit with the unbroken run.
#
#   scripts/kill_campaign.sh [RUNS [SEED]]     RUNS of each kind, default 20; needs the built test_tools
. "$(dirname "$0")/prepare.sh"
BEVGRAD_KILL_RUNS="${1:-20}" BEVGRAD_KILL_SEED="${2:-$(date +%s)}" "$BUILD_DIR/tests/test_tools" --gtest_filter='KillCampaign*'

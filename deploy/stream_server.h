// `bevgrad predict --stream`: frames that go on coming, answered one by one.
#pragma once
#include <string>

#include "train/frame_stream.h"

namespace bevgrad {

struct StreamServerOptions {
  TrainedNetworkOptions network;
  /// "-": records on the standard input, until it ends. "unix:PATH": a socket of that path, on which each connection is
  /// a stream. Else a folder that grows: files *.record and *.h5, in the order of their names, until one called "end"
  /// is there; a file whose name sorts before one that was taken comes too late.
  std::string source;
  /// Optional: the folder into which the frames' rasters are written, <stream>-<frame>.h5.
  std::string rasters = {};
};

/// Answers every frame with a line of JSON on the standard output or the frame's connection, and says at the end how
/// long frames took, on the standard error stream. A frame that is refused is answered with its error, and the stream
/// goes on; bytes that are no stream of records end it. At most 16 connections at a time; of each, the history and one
/// record are held. Ends at SIGINT and SIGTERM. Throws UsageError for a source that cannot be had, Error where the
/// standard input breaks off within a record or the output is gone.
void serve_streams(const configs::Document& document, const StreamServerOptions& options, RunLog& log,
                   const Parts& parts);

}  // namespace bevgrad

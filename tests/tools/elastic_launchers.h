// Launchers of `--nnodes MIN:MAX`, several on this machine.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "tools/launched_runs.h"

namespace bevgrad {

/// An address of this machine by which others could reach it: ranks of several machines refuse the loopback one. The
/// one from which a packet to another network would go; none is sent. "": there is none.
inline std::string own_address() {
  const Socket out(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in there = {};
  there.sin_family = AF_INET;
  there.sin_port = htons(9);
  there.sin_addr.s_addr = htonl(0xCB007101);  // 203.0.113.1, which is nobody's
  if (connect(out.descriptor(), reinterpret_cast<sockaddr*>(&there), sizeof(there)) != 0) return "";
  const std::string here = out.local().host;
  return is_loopback(here) ? "" : here;
}

inline std::string unused_port() {
  return std::to_string(listen_on({own_address(), 0}).local().port);
}

inline Words machine(const std::string& port, const Words& program, const std::string& nodes, const Words& more = {}) {
  Words flags = {"--nnodes", nodes, "--rdzv-endpoint", own_address() + ":" + port};
  flags.insert(flags.end(), more.begin(), more.end());
  return launched(1, program, flags);
}

}  // namespace bevgrad

// The store: what its calls mean, what it does with garbage, and that PyTorch's own speaks the same language.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "base/error.h"
#include "distributed/ranks.h"
#include "distributed/tcp_store.h"
#include "internal/store_request.h"
#include "internal/store_wire.h"

namespace bevgrad {
namespace {

using std::chrono::milliseconds;

void use_every_call(StoreClient& store, const std::string& prefix) {
  EXPECT_FALSE(store.has(prefix + "a"));
  EXPECT_EQ(store.peek(prefix + "a"), "");
  store.set(prefix + "a", std::string("x\0y", 3));
  EXPECT_EQ(store.get(prefix + "a", milliseconds(100)), std::string("x\0y", 3));
  EXPECT_EQ(store.add(prefix + "n", 5), 5);
  EXPECT_EQ(store.add(prefix + "n", -7), -2);
  EXPECT_EQ(store.peek(prefix + "n"), "-2");
  EXPECT_EQ(store.compare_set(prefix + "c", "", "1"), "1");
  EXPECT_EQ(store.compare_set(prefix + "c", "2", "3"), "1");
  EXPECT_EQ(store.compare_set(prefix + "c", "1", "4"), "4");
  EXPECT_FALSE(store.wait({prefix + "a", prefix + "never"}, milliseconds(50)));
  EXPECT_TRUE(store.wait({prefix + "a", prefix + "n"}, milliseconds(1000)));
  EXPECT_TRUE(store.remove(prefix + "a"));
  EXPECT_FALSE(store.remove(prefix + "a"));
  store.set(prefix + "large", std::string(3 << 20, 'z'));
  EXPECT_EQ(store.peek(prefix + "large").size(), size_t{3} << 20);
}

TEST(Store, Calls) {
  const StoreServer server({"127.0.0.1", 0});
  StoreClient store(server.endpoint(), milliseconds(2000));
  use_every_call(store, "/k/");
}

TEST(Store, WaitsForAnotherClient) {
  const StoreServer server({"127.0.0.1", 0});
  StoreClient store(server.endpoint(), milliseconds(2000));
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(50));
    StoreClient(server.endpoint(), milliseconds(2000)).set("late", "value");
  });
  EXPECT_EQ(store.get("late", milliseconds(5000)), "value");
  other.join();
}

TEST(Store, ListensOnItsAddressAlone) {
  const StoreServer server({"127.0.0.1", 0});
  EXPECT_EQ(server.endpoint().host, "127.0.0.1");
  EXPECT_THROW(connect_to({"127.0.0.2", server.endpoint().port}, deadline_in(milliseconds(50))), Error);
}

TEST(Store, TurnsGarbageAway) {
  const StoreServer server({"127.0.0.1", 0});
  StoreClient honest(server.endpoint(), milliseconds(2000));
  honest.set("key", "value");
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const Socket stranger = connect_to(server.endpoint(), deadline_in(milliseconds(2000)));
    std::string bytes(1 + random() % 64, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (round % 3 != 0) {  // gets past the first words, then raves
      std::string hello(1, '\0');
      hello.append(reinterpret_cast<const char*>(&store_wire::kMagic), 4);
      if (round % 3 == 1) bytes[0] = static_cast<char>(random() % 14);
      bytes = hello + bytes;
    }
    try {
      stranger.send(bytes.data(), bytes.size(), deadline_in(milliseconds(500)));
    } catch (const Error&) {
    }
  }
  EXPECT_EQ(honest.peek("key"), "value");
}

TEST(Store, AValidRequestWithoutAnIntroductionDoesNothing) {
  const StoreServer server({"127.0.0.1", 0});
  const Socket stranger = connect_to(server.endpoint(), deadline_in(milliseconds(2000)));
  std::string bytes(1, static_cast<char>(store_wire::kSet));
  for (const std::string word : {"key", "of a stranger"}) {
    const uint64_t length = word.size();
    bytes.append(reinterpret_cast<const char*>(&length), 8);
    bytes += word;
  }
  stranger.send(bytes.data(), bytes.size(), deadline_in(milliseconds(500)));
  char answer = 0;
  EXPECT_THROW(stranger.receive(&answer, 1, deadline_in(milliseconds(2000))), Error);
  StoreClient honest(server.endpoint(), milliseconds(2000));
  EXPECT_FALSE(honest.has("key"));
}

TEST(Store, HugeLengthsAreRefusedBeforeMemoryIsTaken) {
  const StoreServer server({"127.0.0.1", 0});
  const Socket stranger = connect_to(server.endpoint(), deadline_in(milliseconds(2000)));
  std::string bytes(1, '\0');
  bytes.append(reinterpret_cast<const char*>(&store_wire::kMagic), 4);
  bytes += static_cast<char>(store_wire::kSet);
  const uint64_t length = uint64_t{1} << 62;
  bytes.append(reinterpret_cast<const char*>(&length), 8);
  stranger.send(bytes.data(), bytes.size(), deadline_in(milliseconds(500)));
  char answer = 0;
  EXPECT_THROW(stranger.receive(&answer, 1, deadline_in(milliseconds(2000))), Error);
}

std::string introduction() {
  std::string bytes(1, '\0');
  bytes.append(reinterpret_cast<const char*>(&store_wire::kMagic), 4);
  return bytes;
}

std::string text_with_length(const std::string& text) {
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + text;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(Store, UnfinishedRequestsOfManyTakeNoMoreThanTheLimit) {
  const StoreServer server({"127.0.0.1", 0});
  StoreClient honest(server.endpoint(), milliseconds(20000));
  honest.set("key", "value");
  const std::string begun = introduction() + static_cast<char>(store_wire::kSet) + text_with_length("k") +
                            text_with_length(std::string(8 << 20, 'x'));
  const auto held = [] {
    std::ifstream stream("/proc/self/statm");
    int64_t pages = 0, resident = 0;
    stream >> pages >> resident;
    return resident * 4096;
  };
  const int64_t before = held();
  std::vector<Socket> strangers;
  for (int i = 0; i < 40; ++i) {
    strangers.push_back(connect_to(server.endpoint(), deadline_in(milliseconds(2000))));
    try {
      strangers.back().send(begun.data(), begun.size() - 1, deadline_in(milliseconds(5000)));
    } catch (const Error&) {
    }
    EXPECT_EQ(honest.peek("key"), "value");
  }
  // Half as much again as the limit, for what the allocator keeps.
  EXPECT_LT(held() - before, int64_t{192} << 20) << "40 times 8 MiB were begun";
}

TEST(Store, RanksHaveAPlaceBesideStrangersWhoOnlySit) {
  const size_t files = raise_open_files();
  if (files < 9000) GTEST_SKIP() << "SKIPPED: only " << files << " files may be open";
  const StoreServer server({"127.0.0.1", 0});
  StoreClient first(server.endpoint(), milliseconds(20000));
  first.set("key", "value");
  const std::string hello = introduction();
  std::vector<Socket> strangers;
  for (int i = 0; i < 4200; ++i) {
    strangers.push_back(connect_to(server.endpoint(), deadline_in(milliseconds(20000))));
    try {
      strangers.back().send(hello.data(), hello.size(), deadline_in(milliseconds(2000)));
    } catch (const Error&) {
      // There was no place for it.
    }
  }
  EXPECT_EQ(first.peek("key"), "value");
  StoreClient late(server.endpoint(), milliseconds(20000));
  EXPECT_EQ(late.peek("key"), "value");
}

TEST(Store, ALargeRequestInSmallPiecesIsLookedAtOnce) {
  const StoreServer server({"127.0.0.1", 0});
  std::string request(1, static_cast<char>(store_wire::kMultiSet));
  const uint64_t pairs = 100000;
  request.append(reinterpret_cast<const char*>(&pairs), 8);
  for (uint64_t i = 0; i < pairs; ++i)
    request += text_with_length(fmt::format("key {}", i)) + text_with_length(std::string(60, 'v'));
  const std::string hello = introduction();
  const Socket client = connect_to(server.endpoint(), deadline_in(milliseconds(2000)));
  client.send(hello.data(), hello.size(), deadline_in(milliseconds(2000)));
  StoreClient honest(server.endpoint(), milliseconds(20000));
  const auto start = std::chrono::steady_clock::now();
  double longest = 0;
  for (size_t at = 0; at < request.size(); at += 1 << 15) {
    client.send(request.data() + at, std::min<size_t>(1 << 15, request.size() - at), deadline_in(milliseconds(20000)));
    const auto asked = std::chrono::steady_clock::now();
    honest.has("nothing");
    longest = std::max(longest, seconds_since(asked));
  }
  EXPECT_TRUE(honest.wait({fmt::format("key {}", pairs - 1)}, milliseconds(20000)));
  EXPECT_EQ(honest.peek("key 77"), std::string(60, 'v'));
  EXPECT_LT(seconds_since(start), 10.0);
}

TEST(RequestScanner, FindsTheEndOfEveryRequestInAnyPieces) {
  using namespace store_wire;
  const auto number = [](uint64_t value) { return std::string(reinterpret_cast<const char*>(&value), 8); };
  const std::string key = text_with_length("key"), value = text_with_length("a value"), none = text_with_length("");
  const auto code = [](Code which) { return std::string(1, static_cast<char>(which)); };
  const std::vector<std::string> requests = {introduction(),
                                             code(kSet) + key + value,
                                             code(kCompareSet) + key + none + value,
                                             code(kGet) + key,
                                             code(kAdd) + key + number(3),
                                             code(kCheck) + number(2) + key + none,
                                             code(kWait) + number(0),
                                             code(kGetNumKeys),
                                             code(kDeleteKey) + key,
                                             code(kAppend) + key + none,
                                             code(kMultiGet) + number(3) + key + key + key,
                                             code(kMultiSet) + number(2) + key + value + key + none,
                                             code(kMultiSet) + number(0),
                                             code(kCancelWait),
                                             code(kPing) + "abcd"};
  for (const std::string& request : requests) {
    const std::string bytes = request + "more";
    RequestScanner scanner;
    for (size_t size = 0; size < request.size(); ++size)
      EXPECT_FALSE(scanner.scan(std::string_view(bytes).substr(0, size))) << int(request[0]) << " at " << size;
    EXPECT_TRUE(scanner.scan(bytes)) << int(request[0]);
    EXPECT_EQ(scanner.size(), request.size()) << int(request[0]);
  }
  RequestScanner scanner;
  EXPECT_THROW(scanner.scan(code(kSet) + number(kMostKeyBytes + 1)), Garbage);
}

TEST(Store, AnAbsentStoreIsNamed) {
  const int port = free_port();
  try {
    StoreClient store({"127.0.0.1", port}, milliseconds(100));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(port)));
  }
}

TEST(Sockets, ANameThatIsNotKnownIsAskedForUntilTheTimeout) {
  const auto start = std::chrono::steady_clock::now();
  try {
    connect_to({"no-such-host.invalid", 29500}, deadline_in(milliseconds(1200)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("no-such-host.invalid: cannot find the address"));
  }
  EXPECT_GE(seconds_since(start), 1.2);
}

/// A Python that has torch.distributed, or "".
std::string python_with_torch() {
  for (const std::string python : {"/opt/peer/bin/python", "/usr/bin/python3"}) {
    const std::string command = python + " -c 'import torch.distributed as d; d.TCPStore' >/dev/null 2>&1";
    if (access(python.c_str(), X_OK) == 0 && std::system(command.c_str()) == 0) return python;
  }
  return "";
}

TEST(StoreWithPyTorch, BothDirections) {
  const std::string python = python_with_torch();
  if (python.empty()) GTEST_SKIP() << "SKIPPED: no Python with PyTorch 2.1 or newer here";
  // Their client at our server.
  {
    const StoreServer server({"127.0.0.1", 0});
    const std::string script = fmt::format(
        "import datetime, torch.distributed as d\n"
        "s = d.TCPStore('127.0.0.1', {}, is_master=False, timeout=datetime.timedelta(seconds=20))\n"
        "s.set('a', 'b'); assert s.get('a') == b'b'\n"
        "assert s.add('n', 4) == 4 and s.add('n', 1) == 5\n"
        "assert s.compare_set('c', '', 'x') == b'x' and s.compare_set('c', 'y', 'z') == b'x'\n"
        "assert s.check(['a']) and not s.check(['none'])\n"
        "s.append('a', 'c'); assert s.get('a') == b'bc'\n"
        "s.multi_set(['p', 'q'], ['1', '2']); assert s.multi_get(['p', 'q']) == [b'1', b'2']\n"
        "assert s.delete_key('p') and not s.delete_key('p')\n"
        "s.wait(['q', 'a'])\n"
        "try:\n"
        "  s.wait(['none'], datetime.timedelta(milliseconds=200)); assert False\n"
        "except d.DistStoreError: pass\n"
        "assert s.num_keys() >= 4\n"
        "s.set('done', 'yes')\n",
        server.endpoint().port);
    EXPECT_EQ(std::system((python + " -W ignore -c \"" + script + "\"").c_str()), 0);
    EXPECT_EQ(StoreClient(server.endpoint(), milliseconds(2000)).peek("/done"), "yes");
  }
  // Our client at their server.
  const int port = free_port();
  const std::string script = fmt::format(
      "import datetime, torch.distributed as d\n"
      "s = d.TCPStore('127.0.0.1', {}, is_master=True, wait_for_workers=False)\n"
      "s.set_timeout(datetime.timedelta(seconds=30)); s.wait(['bye'])\n",
      port);
  FILE* server = popen((python + " -W ignore -c \"" + script + "\"").c_str(), "r");
  ASSERT_NE(server, nullptr);
  StoreClient store({"127.0.0.1", port}, milliseconds(20000));
  use_every_call(store, "/k/");
  store.set("/bye", "1");
  EXPECT_EQ(pclose(server), 0);
}

}  // namespace
}  // namespace bevgrad

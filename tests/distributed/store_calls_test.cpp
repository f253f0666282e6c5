// The store's calls one by one, as bytes on the wire and at their limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "distributed/ranks.h"
#include "distributed/tcp_store.h"
#include "internal/store_wire.h"
#include "support/error_of.h"

namespace bevgrad {
namespace {

using std::chrono::milliseconds;
using testing::error_of;
using ::testing::HasSubstr;

std::string bytes_of(uint64_t value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string word(const std::string& text) {
  return bytes_of(text.size()) + text;
}

std::string code(store_wire::Code which) {
  return std::string(1, static_cast<char>(which));
}

/// A client that says what it likes.
struct Raw {
  Socket socket;
  explicit Raw(const StoreServer& server, uint32_t magic = store_wire::kMagic)
      : socket(connect_to(server.endpoint(), deadline_in(milliseconds(2000)))) {
    std::string hello = code(store_wire::kValidate);
    hello.append(reinterpret_cast<const char*>(&magic), sizeof(magic));
    say(hello);
  }
  void say(const std::string& bytes) { socket.send(bytes.data(), bytes.size(), deadline_in(milliseconds(2000))); }
  template <class T>
  T number() {
    T value{};
    socket.receive(&value, sizeof(value), deadline_in(milliseconds(2000)));
    return value;
  }
  std::string text() {
    std::string value(number<uint64_t>(), '\0');
    socket.receive(value.data(), value.size(), deadline_in(milliseconds(2000)));
    return value;
  }
  bool is_closed() {
    try {
      char byte;
      socket.receive(&byte, 1, deadline_in(milliseconds(2000)));
      return false;
    } catch (const Error& error) {
      return std::strstr(error.what(), "timed out") == nullptr;
    }
  }
};

TEST(StoreCalls, CompareSetWritesWhereTheKeyHoldsWhatWasExpected) {
  const StoreServer server({"127.0.0.1", 0});
  StoreClient store(server.endpoint(), milliseconds(2000));
  // A key that is not there holds nothing: it is taken for what was expected, and not written.
  EXPECT_EQ(store.compare_set("k", "old", "new"), "old");
  EXPECT_FALSE(store.has("k"));
  EXPECT_EQ(store.compare_set("k", "", "first"), "first");
  EXPECT_EQ(store.compare_set("k", "", "second"), "first");
  EXPECT_EQ(store.compare_set("k", "other", "second"), "first");
  EXPECT_EQ(store.peek("k"), "first");
  EXPECT_EQ(store.compare_set("k", "first", "second"), "second");
  EXPECT_EQ(store.peek("k"), "second");
}

TEST(StoreCalls, KeysAreCountedTextsGrowAndWaitsAreTakenBack) {
  const StoreServer server({"127.0.0.1", 0});
  Raw client(server);
  client.say(code(store_wire::kGetNumKeys));
  EXPECT_EQ(client.number<int64_t>(), 0);
  client.say(code(store_wire::kAppend) + word("a") + word("x") + code(store_wire::kAppend) + word("a") + word("yz") +
             code(store_wire::kSet) + word("b") + word("1") + code(store_wire::kGetNumKeys));
  EXPECT_EQ(client.number<int64_t>(), 2);
  client.say(code(store_wire::kGet) + word("a"));
  EXPECT_EQ(client.text(), "xyz");
  client.say(code(store_wire::kMultiGet) + bytes_of(2) + word("b") + word("a"));
  EXPECT_EQ(client.text(), "1");
  EXPECT_EQ(client.text(), "xyz");
  client.say(code(store_wire::kWait) + bytes_of(1) + word("never") + code(store_wire::kCancelWait));
  EXPECT_EQ(client.number<uint8_t>(), store_wire::kWaitCancelled);
  // What was taken back is not answered later.
  client.say(code(store_wire::kSet) + word("never") + word("now") + code(store_wire::kCheck) + bytes_of(2) + word("b") +
             word("none"));
  EXPECT_EQ(client.number<uint8_t>(), store_wire::kNotReady);
  client.say(code(store_wire::kDeleteKey) + word("b") + code(store_wire::kDeleteKey) + word("b") +
             code(store_wire::kGetNumKeys));
  EXPECT_EQ(client.number<int64_t>(), 1);
  EXPECT_EQ(client.number<int64_t>(), 0);
  EXPECT_EQ(client.number<int64_t>(), 2);
}

TEST(StoreCalls, WhatMakesNoSenseEndsTheConnection) {
  const StoreServer server({"127.0.0.1", 0});
  StoreClient honest(server.endpoint(), milliseconds(2000));
  honest.set("text", "12x");
  EXPECT_TRUE(Raw(server, store_wire::kMagic + 1).is_closed());
  for (const std::string& request :
       {code(store_wire::kAdd) + word("text") + bytes_of(1), code(store_wire::kGet) + word("none"),
        code(store_wire::kMultiGet) + bytes_of(2) + word("text") + word("none"), std::string("\x7f")}) {
    Raw client(server);
    client.say(request);
    bool is_closed = client.is_closed();
    // A value of those that were asked for first may come before.
    for (int i = 0; i < 20 && !is_closed; ++i) is_closed = client.is_closed();
    EXPECT_TRUE(is_closed) << static_cast<int>(request[0]);
  }
  EXPECT_EQ(honest.peek("text"), "12x");
  Raw quiet(server);
  quiet.say(code(store_wire::kPing) + "abcd");
  EXPECT_EQ(quiet.number<uint32_t>(), uint32_t{0x64636261});
}

TEST(StoreCalls, NoMoreIsStoredThanTheLimitAndWhatGoesMakesRoom) {
  const StoreServer server({"127.0.0.1", 0});
  const std::string large(store_wire::kMostValueBytes - 100, 'x');
  StoreClient store(server.endpoint(), milliseconds(20000));
  for (int round = 0; round < 3; ++round)  // the same keys again take nothing more
    for (int i = 0; i < 8; ++i) store.set(std::to_string(i), large);
  EXPECT_EQ(store.peek("7").size(), large.size());
  {
    StoreClient greedy(server.endpoint(), milliseconds(5000));
    EXPECT_THROW(
        {
          greedy.set("8", large);
          greedy.has("8");
        },
        Error);
    EXPECT_THAT(error_of([&] { greedy.has("8"); }), HasSubstr("broke before"));
  }
  EXPECT_FALSE(store.has("8"));
  EXPECT_TRUE(store.remove("3"));
  store.set("8", large);
  EXPECT_TRUE(store.has("8"));
  EXPECT_THROW(store.set("long", std::string(store_wire::kMostValueBytes + 1, 'x')), Error);
  EXPECT_THROW(store.set(std::string(store_wire::kMostKeyBytes + 1, 'x'), ""), Error);
}

TEST(StoreCalls, AServerThatAnnouncesTooMuchIsNotBelieved) {
  const Socket listener = listen_on({"127.0.0.1", 0});
  std::thread liar([&] {
    std::optional<Socket> socket;
    while (!(socket = accept_from(listener))) std::this_thread::sleep_for(milliseconds(5));
    char hello[10];  // the introduction and a ping
    socket->receive(hello, sizeof(hello), deadline_in(milliseconds(5000)));
    socket->send(hello + 6, 4, deadline_in(milliseconds(5000)));
    char request[64];
    socket->receive(request, 1 + 8 + 8 + 3, deadline_in(milliseconds(5000)));
    socket->send("\0", 1, deadline_in(milliseconds(5000)));  // it is there
    socket->receive(request, 1 + 8 + 3, deadline_in(milliseconds(5000)));
    const uint64_t size = uint64_t{1} << 40;
    socket->send(&size, sizeof(size), deadline_in(milliseconds(5000)));
  });
  StoreClient store(listener.local(), milliseconds(5000));
  EXPECT_THAT(error_of([&] { store.peek("key"); }), HasSubstr("1099511627776 bytes was announced"));
  liar.join();
}

}  // namespace
}  // namespace bevgrad

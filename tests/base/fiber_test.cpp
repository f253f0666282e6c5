#include "base/fiber.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace bevgrad {
namespace {

/// Counts how often it is destroyed.
struct Guard {
  int& left;
  explicit Guard(int& count) : left(count) {}
  ~Guard() { ++left; }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
};

TEST(Fiber, GoesOnWhereItPaused) {
  std::string done;
  Fiber a([&] {
    for (int i = 0; i < 3; ++i) {
      done += 'a';
      Fiber::pause();
    }
  });
  Fiber b([&] {
    done += 'b';
    Fiber::pause();
    done += 'B';
  });
  EXPECT_TRUE(a.resume());
  EXPECT_TRUE(b.resume());
  EXPECT_TRUE(a.resume());
  EXPECT_FALSE(b.resume());
  EXPECT_TRUE(a.resume());
  EXPECT_FALSE(a.resume());
  EXPECT_EQ(done, "abaBa");
  EXPECT_THROW(a.resume(), Error);
  EXPECT_THROW(Fiber::pause(), Error);
}

TEST(Fiber, ThrowsWhatItsWorkThrows) {
  int left = 0;
  Fiber fiber([&] {
    const Guard guard(left);
    Fiber::pause();
    throw std::runtime_error("in the midst");
  });
  EXPECT_TRUE(fiber.resume());
  try {
    fiber.resume();
    ADD_FAILURE();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "in the midst");
  }
  EXPECT_EQ(left, 1);
}

TEST(Fiber, WorkThatIsLeftIsTakenApart) {
  int left = 0;
  {
    Fiber fiber([&] {
      const Guard guard(left);
      try {
        Fiber::pause();
      } catch (const std::exception&) {
        ADD_FAILURE() << "it is no error";
      } catch (...) {
        // On its way out it may come to another pause.
        Fiber::pause();
      }
      ADD_FAILURE() << "it went on";
    });
    Fiber never([&] { ++left; });
    EXPECT_TRUE(fiber.resume());
    EXPECT_EQ(left, 0);
  }
  EXPECT_EQ(left, 1);
}

TEST(Fiber, AFiberMayRunFibers) {
  std::string done;
  int left = 0;
  {
    Fiber outer([&] {
      Fiber inner([&] {
        const Guard guard(left);
        done += 'i';
        Fiber::pause();
        done += 'j';
        Fiber::pause();
      });
      inner.resume();
      done += 'o';
      Fiber::pause();
      inner.resume();
      done += 'p';
      Fiber::pause();
    });
    outer.resume();
    done += '-';
    outer.resume();
  }
  EXPECT_EQ(done, "io-jp");
  EXPECT_EQ(left, 1);
}

int deep(int levels) {
  volatile char room[1000];
  room[0] = static_cast<char>(levels);
  return levels == 0 ? room[0] : deep(levels - 1) + 1;
}

TEST(Fiber, HasRoomAndErrorsOfItsOwn) {
  int depth = 0;
  Fiber fiber([&] {
    depth = deep(4000);
    try {
      throw std::runtime_error("inside");
    } catch (const std::exception&) {
      depth += 1;
    }
    Fiber::pause();
  });
  try {
    throw std::runtime_error("outside");
  } catch (const std::exception& error) {
    fiber.resume();
    EXPECT_STREQ(error.what(), "outside");
  }
  EXPECT_EQ(depth, 4001);
}

}  // namespace
}  // namespace bevgrad

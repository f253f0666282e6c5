#include "poly_schedule.h"

#include <cmath>

#include "lab.pb.h"

namespace lab {

using namespace bevgrad;

LrScheduleKind poly_schedule() {
  return {.name = "poly",
          .make = [](const config::Train& train) -> LrSchedule {
            return [phases = lr_phases(train), power = train.GetExtension(poly_options).power()](int64_t step) {
              for (const LrPhase& phase : phases) {
                if (step < phase.steps)
                  return phase.lr * std::pow(1 - static_cast<double>(step) / static_cast<double>(phase.steps), power);
                step -= phase.steps;
              }
              return 0.0;
            };
          },
          .judge =
              [](const configs::Judge& judge, const config::Config& proto) {
                judge.positive("train.[lab.poly_options].power", proto.train().GetExtension(poly_options).power());
              }};
}

}  // namespace lab

"""python -m bevgrad_follow WORK_DIR --mlflow http://host:5000 [--experiment NAME] or --wandb PROJECT"""
import argparse
import sys
import time
from pathlib import Path

from .mlflow_sink import MlflowSink, SinkError
from .run_folder import Numbers, fields, is_done
from .wandb_sink import WandbSink


def main():
    parser = argparse.ArgumentParser(prog="bevgrad_follow", description=__doc__)
    parser.add_argument("work_dir", help="of a training that runs, or has run")
    parser.add_argument("--mlflow", metavar="ADDRESS", help="a tracking server")
    parser.add_argument("--experiment", default="bevgrad", help="of MLflow")
    parser.add_argument("--wandb", metavar="PROJECT", help="needs pip install wandb")
    parser.add_argument("--interval", type=float, default=5, help="seconds between two looks")
    parser.add_argument("--once", action="store_true", help="send what is there and end")
    options = parser.parse_args()
    folder = Path(options.work_dir).resolve()
    if not folder.is_dir():
        parser.error(f"{folder}: there is no such folder")
    if not options.mlflow and not options.wandb:
        parser.error("where to: --mlflow ADDRESS or --wandb PROJECT")
    numbers, waiting = Numbers(folder), []
    try:
        sinks = []
        if options.mlflow:
            sinks.append(MlflowSink(options.mlflow, options.experiment, str(folder), fields(folder)))
        if options.wandb:
            sinks.append(WandbSink(options.wandb, str(folder), fields(folder)))
        while True:
            done = is_done(folder)  # before the lines are read: none comes after
            waiting += numbers.new_lines()
            try:
                for sink in sinks:
                    sink.add(waiting)
                waiting = []
            except SinkError as error:
                if options.once:
                    raise
                print(f"bevgrad_follow: {error}; trying again", file=sys.stderr)
            if not waiting and (done or options.once):
                break
            time.sleep(options.interval)
        if done:
            for sink in sinks:
                sink.finish()
    except KeyboardInterrupt:
        return 130
    except (SinkError, ImportError) as error:
        print(f"bevgrad_follow: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""python -m bevgrad_follow WORK_DIR --mlflow http://host:5000 [--experiment NAME] or --wandb PROJECT"""
import argparse
import sys
import time
from pathlib import Path

from .mlflow_sink import MlflowSink, RefusedError, SinkError
from .run_folder import Numbers, fields, is_done
from .wandb_sink import WandbSink


def make_sinks(options, folder, begun):
    sinks = []
    if options.mlflow:
        sinks.append(MlflowSink(options.mlflow, options.experiment, str(folder), begun, fields(folder)))
    if options.wandb:
        sinks.append(WandbSink(options.wandb, str(folder), begun, fields(folder)))
    return sinks


def follow(folder, options):
    numbers, waiting, sinks, begun = Numbers(folder), [], [], None
    while True:
        done = is_done(folder)  # before the lines are read: none comes after
        try:
            lines = numbers.new_lines()
            waiting = waiting + lines if numbers.begun == begun else lines
            if numbers.begun != begun:
                # The first training, or another one in the same folder: its lines are the ones that came now.
                for sink in sinks:
                    sink.finish()
                sinks = make_sinks(options, folder, numbers.begun) if numbers.begun else []
                begun = numbers.begun
            for sink in sinks:
                sink.add(waiting)
            waiting = []
        except RefusedError:
            raise
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
    try:
        follow(folder, options)
    except KeyboardInterrupt:
        return 130
    except (SinkError, ImportError) as error:
        print(f"bevgrad_follow: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

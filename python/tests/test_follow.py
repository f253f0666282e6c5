"""python -m pytest python/tests/test_follow.py. Where mlflow or wandb is installed the real ones take the numbers."""
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[1]
sys.path.insert(0, str(PYTHON))
from bevgrad_follow.run_folder import Numbers, fields, is_done  # noqa: E402


def line(step, loss):
    return json.dumps({"step": step, "time": 1.7e9 + step, "train/loss": loss, "val/x": None}) + "\n"


@pytest.fixture
def folder(tmp_path):
    run = tmp_path / "step2"
    run.mkdir()
    (run / "scalars.jsonl").write_text(line(10, 3.0) + line(20, 2.0))
    (run / "config.prototxt").write_text('seed: 3\ntrain {\n  base_lr: 0.1\n  sgd {\n    momentum: 0.5\n  }\n}\ndata {\n'
                                         '  root: "a b"\n  lists: "x"\n  lists: "y"\n}\n')
    (run / "train.log").write_text("2026-01-01 00:00:00 20 steps done; wrote last.ckpt and x\n")
    return run


def follow(folder, *arguments, **environment):
    command = [sys.executable, "-m", "bevgrad_follow", str(folder), "--interval", "0.1", *arguments]
    return subprocess.run(command, cwd=PYTHON, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)


def test_lines_come_once_and_whole(folder):
    numbers = Numbers(folder)
    assert numbers.new_lines() == [(10, 1.7e9 + 10, {"train/loss": 3.0}), (20, 1.7e9 + 20, {"train/loss": 2.0})]
    with open(folder / "scalars.jsonl", "a") as file:
        file.write("garbage\n[1]\n" + line(30, 1.0)[:20])
    assert numbers.new_lines() == []
    with open(folder / "scalars.jsonl", "a") as file:
        file.write(line(30, 1.0)[20:])
    assert [step for step, _, _ in numbers.new_lines()] == [30]
    # Cut by a run that went on from an earlier checkpoint, and grown past its old length before anybody looked.
    (folder / "scalars.jsonl").write_text("".join(line(step, 10.5) for step in (10, 20, 25, 30, 40)))
    assert [step for step, _, _ in numbers.new_lines()] == [10, 20, 25, 30, 40]
    begun = numbers.begun
    (folder / "scalars.jsonl").write_text(line(10, 3.0))
    assert [step for step, _, _ in numbers.new_lines()] == [10]
    assert numbers.begun == begun
    (folder / "scalars.jsonl").write_text(line(5, 3.0))
    assert [step for step, _, _ in numbers.new_lines()] == [5]
    assert numbers.begun != begun
    assert Numbers(folder / "no").new_lines() == []


def test_config_and_end(folder):
    assert fields(folder) == {"seed": "3", "train.base_lr": "0.1", "train.sgd.momentum": "0.5", "data.root": "a b",
                              "data.lists": "x, y"}
    assert is_done(folder)
    with open(folder / "train.log", "a") as file:
        file.write("2026-01-01 00:00:01 resumed from x at step 20\n")
    assert not is_done(folder)


def test_mistakes_are_one_line(folder):
    assert follow(folder).returncode == 2
    assert follow(folder / "no", "--mlflow", "http://x").returncode == 2
    nobody = follow(folder, "--mlflow", "http://127.0.0.1:9", "--once")
    assert nobody.returncode == 1
    assert nobody.stderr.count("\n") == 1 and "127.0.0.1:9" in nobody.stderr


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", str(tmp_path / "artifacts")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(address + "/health", timeout=1)
            break
        except OSError:
            time.sleep(0.2)
    yield address
    os.killpg(process.pid, 15)
    process.wait()


def test_mlflow_takes_the_numbers_once(folder, server):
    import mlflow

    first = follow(folder, "--mlflow", server, "--experiment", "roads")
    assert first.returncode == 0, first.stderr
    with open(folder / "scalars.jsonl", "a") as file:
        file.write(line(30, 1.0))
    second = follow(folder, "--mlflow", server, "--experiment", "roads")
    assert second.returncode == 0, second.stderr
    client = mlflow.MlflowClient(server)
    runs = client.search_runs([client.get_experiment_by_name("roads").experiment_id])
    assert len(runs) == 1
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.params["train.base_lr"] == "0.1"
    history = client.get_metric_history(runs[0].info.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(10, 3.0), (20, 2.0), (30, 1.0)]


def numbers_of(client, experiment, key):
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], order_by=["start_time"])
    return [[(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, key)] for run in runs]


def test_a_validation_comes_after_the_line_of_its_step(folder, server):
    import mlflow

    with open(folder / "train.log", "a") as file:
        file.write("2026-01-01 00:00:01 resumed from x at step 20\n")
    running = subprocess.Popen([sys.executable, "-m", "bevgrad_follow", str(folder), "--mlflow", server, "--interval", "0.1"],
                               cwd=PYTHON, stderr=subprocess.PIPE, text=True)
    client = mlflow.MlflowClient(server)

    def wait_for(key, count):
        for _ in range(300):
            if client.get_experiment_by_name("bevgrad") and sum(map(len, numbers_of(client, "bevgrad", key))) >= count:
                return
            time.sleep(0.1)
        running.kill()
        raise AssertionError(f"{key}: {numbers_of(client, 'bevgrad', key)}; {running.stderr.read()}")

    wait_for("train/loss", 2)
    with open(folder / "scalars.jsonl", "a") as file:
        file.write(json.dumps({"step": 20, "time": 1.7e9 + 21, "val/lane_any_f1@0.5": 0.25}) + "\n")
    wait_for("val/lane_any_f1_0.5", 1)
    # Another training in the same folder is another run.
    (folder / "scalars.jsonl").write_text(json.dumps({"step": 1, "time": 1.8e9, "train/loss": 9.0}) + "\n")
    wait_for("train/loss", 3)
    with open(folder / "train.log", "a") as file:
        file.write("2026-01-01 00:00:02 21 steps done; wrote last.ckpt and x\n")
    assert running.wait(60) == 0
    assert numbers_of(client, "bevgrad", "train/loss") == [[(10, 3.0), (20, 2.0)], [(1, 9.0)]]


def test_what_a_server_refuses_is_said_once(folder, server):
    refused = follow(folder, "--mlflow", server + "/nowhere")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1 and "404" in refused.stderr


def test_wandb_writes_its_offline_files(folder):
    pytest.importorskip("wandb")
    done = follow(folder, "--wandb", "roads", WANDB_MODE="offline", WANDB_SILENT="true")
    assert done.returncode == 0, done.stderr
    assert list(folder.glob("wandb/offline-run-*/run-*.wandb"))

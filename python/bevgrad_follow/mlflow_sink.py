"""MLflow by its REST interface (https://mlflow.org/docs/latest/rest-api.html), version 2.0 of it."""
import base64
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request

MOST_METRICS = 1000  # of a batch
MOST_PARAMS = 100
LONGEST = 500  # of a parameter's text
PASSING = (408, 429)  # statuses of a server that has no time
FOLDER_TAG = "bevgrad.work_dir"
BEGUN_TAG = "bevgrad.begun"


class MlflowSink:
    """One run of an experiment for each training of a work folder; found again by its tags when the side-car is started
    again. What a metric has at a step stays: numbers of steps that are computed again are not sent again."""

    def __init__(self, address, experiment, folder, begun, params):
        self.address = address.rstrip("/")
        self.experiment = self._experiment(experiment)
        self.run, self.sent = self._run(folder, begun, params)  # the last step of each metric that is there

    def add(self, lines):
        metrics = []
        for step, when, values in lines:
            for name, value in values.items():
                key = re.sub(r"[^\w./ -]", "_", name)
                if step > self.sent.get(key, -1):
                    metrics.append({"key": key, "value": value, "timestamp": int(1000 * when), "step": step})
        for start in range(0, len(metrics), MOST_METRICS):
            batch = metrics[start : start + MOST_METRICS]
            self._call("runs/log-batch", {"run_id": self.run, "metrics": batch})
            self.sent.update((metric["key"], metric["step"]) for metric in batch)

    def finish(self):
        self._call("runs/update", {"run_id": self.run, "status": "FINISHED", "end_time": int(1000 * time.time())})

    def _experiment(self, name):
        try:
            found = self._call("experiments/get-by-name?" + urllib.parse.urlencode({"experiment_name": name}))
            return found["experiment"]["experiment_id"]
        except MissingError:
            return self._call("experiments/create", {"name": name})["experiment_id"]

    def _run(self, folder, begun, params):
        quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
        found = self._call(
            "runs/search",
            {
                "experiment_ids": [self.experiment],
                "filter": f"tags.`{FOLDER_TAG}` = '{quoted}' and tags.`{BEGUN_TAG}` = '{begun}'",
                "max_results": 1,
            },
        ).get("runs", [])
        if found:
            run = found[0]
            sent = {metric["key"]: int(metric.get("step", 0)) for metric in run.get("data", {}).get("metrics", [])}
            return run["info"]["run_id"], sent
        run = self._call(
            "runs/create",
            {
                "experiment_id": self.experiment,
                "run_name": os.path.basename(folder),
                "start_time": int(1000 * time.time()),
                "tags": [{"key": FOLDER_TAG, "value": folder}, {"key": BEGUN_TAG, "value": begun}],
            },
        )["run"]["info"]["run_id"]
        named = [{"key": name, "value": text[:LONGEST]} for name, text in params.items()]
        for start in range(0, len(named), MOST_PARAMS):
            self._call("runs/log-batch", {"run_id": run, "params": named[start : start + MOST_PARAMS]})
        return run, {}

    def _call(self, path, body=None):
        request = urllib.request.Request(f"{self.address}/api/2.0/mlflow/{path}")
        request.add_header("Content-Type", "application/json")
        if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            request.add_header("Authorization", "Bearer " + token)
        elif user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
            secret = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()
            request.add_header("Authorization", "Basic " + base64.b64encode(secret).decode())
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code == 404 and "RESOURCE_DOES_NOT_EXIST" in text:
                raise MissingError(text) from error
            kind = SinkError if error.code in PASSING or error.code >= 500 else RefusedError
            raise kind(f"{self.address}: {path}: {error.code}: {' '.join(text[:300].split())}") from error
        except OSError as error:
            raise SinkError(f"{self.address}: {error}") from error


class SinkError(Exception):
    """The server is not there, or has no time: later it may."""


class RefusedError(SinkError):
    """The server will not take it later either."""


class MissingError(RefusedError):
    """It is not there (yet)."""

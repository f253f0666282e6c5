"""Weights & Biases by its own client, which also writes the files of its offline mode (WANDB_MODE=offline)."""
import hashlib
import os


class WandbSink:
    def __init__(self, project, folder, begun, params):
        import wandb  # only who wants it needs it

        # The same run again when the side-car is started again.
        name = hashlib.sha256(f"{folder} {begun}".encode()).hexdigest()[:16]
        self.run = wandb.init(
            project=project, id=name, name=os.path.basename(folder), dir=folder, config=params, resume="allow"
        )
        # It takes steps in their order alone; the last one may be added to.
        self.last_step = self.run.step - 1 if self.run.resumed else -1

    def add(self, lines):
        for step, _, values in lines:
            if step >= self.last_step and values:
                self.run.log(values, step=step)
                self.last_step = step

    def finish(self):
        self.run.finish()

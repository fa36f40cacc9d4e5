"""The sandbox alone, as a process."""

import json
import os
import subprocess


class Sandbox:
    """A running `sluice sandbox` with its made-up company."""

    def __init__(self, home, *flags):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "CONFLUENCE_", "JIRA_"))}
        self.process = subprocess.Popen(
            [os.environ["SLUICE_BINARY"], "sandbox", "--addr", "127.0.0.1:0", "--json", *flags],
            env=environment | {"SLUICE_HOME": str(home)}, stdout=subprocess.PIPE, text=True,
        )
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        assert lines, "the sandbox did not start"
        for name, value in json.loads("".join(lines)).items():
            setattr(self, name, value)

    def stop(self):
        self.process.terminate()
        self.process.stdout.read()
        assert self.process.wait(30) == 0, "the sandbox did not stop cleanly"

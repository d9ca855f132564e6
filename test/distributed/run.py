#!/usr/bin/env python3
"""run.py test N PROGRAM    runs a doctest program in N processes; the first one's output is shown, the others' if they fail
run.py dying PROGRAM FOLDER  a process that dies ends the run with a clear error, and leaves a backup that is whole

Ends with 77, skipped, where there is no mpirun.
"""
import os
import shutil
import subprocess
import sys

# As root in containers; more processes than cores; no network, so that a machine without one does.
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader"]
ENV = {**os.environ, "OMPI_MCA_rmaps_base_oversubscribe": "1", "TAPIR_NUM_THREADS": "1"}


def test(n, program):
    shell = f'if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then exec {program}; fi; log=$({program} 2>&1) || {{ echo "$log" | grep -v "test cases:"; exit 1; }}'
    return subprocess.run([*MPIRUN, "-n", n, "sh", "-c", shell], env=ENV, timeout=100).returncode


def dying(program, folder):
    for how, says in {"kill": "signal 9", "throw": "process 1 has had enough"}.items():
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        run = subprocess.run([*MPIRUN, "-n", "2", program, how, folder], env=ENV, timeout=60, capture_output=True, text=True)
        print(run.stdout, run.stderr)
        assert run.returncode != 0, how
        assert says in run.stderr, how
        assert "tapir: process 0 of 2 is ended, as mpirun was stopped or another process died." in run.stderr, how
        # one process alone goes on from the backup, which is of the 6th or the 7th of 12 batches
        rest = subprocess.run([program, "check", folder], env=ENV, timeout=60, capture_output=True, text=True)
        print(rest.stdout, rest.stderr)
        assert rest.returncode == 0, how
        assert rest.stdout.startswith(("batches: 6,", "batches: 5,")), how
        assert not [name for name in os.listdir(folder + "/backup") if "backup" in name], "the end removes it"
    print("a dead process ends the run, and the backup is whole")
    return 0


if not shutil.which("mpirun"):
    sys.exit(77)
sys.exit({"test": test, "dying": dying}[sys.argv[1]](*sys.argv[2:]))

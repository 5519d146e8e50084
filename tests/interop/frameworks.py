# SPDX-License-Identifier: MIT
"""The cases of frameworks. Standard library only; the frameworks are Debian's, OpenTelemetry's SDK comes from PyPI."""
import contextlib
import glob
import http.client
import itertools
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from journald import PATIENCE, wait_for
from recipes import EXAMPLES, MANY, TRACEPARENT, killed_in_the_middle, missing, recipe
from tap import check, note, run, skip

PYTHON = f"{EXAMPLES}/python"
DEBIANS = "/usr/bin/python3"  # the one that has Debian's frameworks
PACKAGES = subprocess.run([os.environ["opentelemetry"], "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
# Each span gets ids: the API asks for the SDK, by itself.
TRACES = {"PYTHONPATH": f"{PYTHON}:{PACKAGES}", "OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}


def has_module(what, name):
    """Says so, and returns False, if Debian's Python does not have it."""
    if subprocess.run([DEBIANS, "-c", f"import {name}"], stderr=subprocess.DEVNULL, check=False).returncode:
        return not skip(what, f"not installed: python3-{name}")
    return True


def check_own_log(r, framework, *words):
    """What the framework says itself comes the same way."""
    bodies = [rec.get("body") or "" for rec in r.x.received()]
    check(f"{framework}'s own log is there", all(any(w in b for b in bodies) for w in words), lambda: bodies[-5:])


def proved(who):
    note(f"proved: {who}: workers SIGKILLed while they log, and the program itself: no line is lost")


class Clients:
    """Threads that call `ask` with one order after the other, until the end; what goes wrong is no concern of theirs."""

    def __init__(self, ask):
        self.orders, self.over = itertools.count(1), threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(ask,)) for _ in range(4)]

    def work(self, ask):
        while not self.over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(next(self.orders))
                continue
            self.over.wait(0.05)

    def __enter__(self):
        for t in self.threads:
            t.start()

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


def process_pool(out):
    """Python's ProcessPoolExecutor, in spans"""
    killed_in_the_middle(out, "shop-pool", sys.executable, f"{PYTHON}/process_pool.py", MANY, env=TRACES, traces="spans")
    proved("ProcessPoolExecutor with OpenTelemetry's spans")


def multiprocessing_workers(out):
    """Python's multiprocessing, in spans"""
    killed_in_the_middle(out, "shop-multiprocessing", sys.executable, f"{PYTHON}/multiprocessing_workers.py", MANY, env=TRACES, traces="spans")
    proved("multiprocessing with OpenTelemetry's spans")


def gunicorn(out):
    """gunicorn"""
    if missing("gunicorn", "gunicorn"):
        return

    answered = []

    def get(order):
        c = http.client.HTTPConnection("shop", timeout=PATIENCE)
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.connect("/run/shop-gunicorn.sock")
        with contextlib.closing(c):
            c.request("GET", f"/{order}")
            c.getresponse().read()
        answered.append(order)

    with recipe(out) as r:
        r.program = r.start("gunicorn", "--config", "gunicorn_web.py", "--bind", "unix:/run/shop-gunicorn.sock", "gunicorn_web:application",
                            at=PYTHON, env=TRACES)
        with Clients(get):
            # A worker logs a request behind its answer: of four, one that has answered twice has logged the first.
            wait_for(lambda: len(answered) > 4, "answers")
            r.kill_workers(r.program.pid)
            r.kill_program()
        r.judge("shop-gunicorn", traces="spans")
        check_own_log(r, "gunicorn", "Booting worker", "GET /")  # and the access log
    proved("gunicorn")


@contextlib.contextmanager
def redis(r):
    """A server of our own; its address. It ends after the program that works with it."""
    server = r.start("redis-server", "--port", "0", "--unixsocket", "/run/redis.sock", "--save", "", watched=False)
    r.ours.add(server.pid)
    try:
        wait_for(lambda: os.path.exists("/run/redis.sock") or server.poll() is not None, "redis-server")
        yield "/run/redis.sock"
    finally:
        server.kill()
        server.wait(PATIENCE)
        os.unlink("/run/redis.sock")


def celery(out):
    """Celery's prefork workers"""
    if missing("Celery", "redis-server") or not has_module("Celery", "celery") or not has_module("Celery", "redis"):
        return
    with recipe(out) as r, redis(r) as socket_path:
        env = {**TRACES, "BROKER": f"redis+socket://{socket_path}"}
        r.run(DEBIANS, "-c", f"import celery_tasks as t\nfor order in range(1, {MANY}): t.pack.delay(order)", at=PYTHON, env=env)
        r.program = r.start(DEBIANS, "-m", "celery", "--app", "celery_tasks", "worker", "--concurrency", "4", at=PYTHON, env=env)
        r.kill_workers(r.program.pid)
        r.kill_program()
        r.judge("shop-celery", traces="spans")
        check_own_log(r, "Celery", "exited prematurely: signal 9")
    proved("Celery")


def rq(out):
    """rq"""
    if missing("rq", "redis-server") or not has_module("rq", "rq"):
        return
    with recipe(out) as r, redis(r) as socket_path:
        env = {**TRACES, "BROKER": f"unix://{socket_path}"}
        # Each has far more steps than it lives to take: rq says nothing of a process that is killed when its job is done.
        r.run(DEBIANS, "-c", "import rq_worker as w\nq = w.Queue('orders', connection=w.Redis.from_url(w.os.environ['BROKER']))\n"
              f"for order in range(1, {MANY}): q.enqueue('shop.pack', order, {MANY})", at=PYTHON, env=env)
        r.program = r.start(DEBIANS, f"{PYTHON}/rq_worker.py", at=PYTHON, env=env)
        r.kill_workers(r.program.pid)
        r.kill_program()
        r.judge("shop-rq", traces="spans")
        check_own_log(r, "rq", "terminated unexpectedly")
    proved("rq")


def nodejs(out):
    """Node.js' cluster"""
    if not missing("Node.js", "node"):
        killed_in_the_middle(out, "shop-nodejs", "systemd-cat", "-t", "shop-nodejs", "node", f"{EXAMPLES}/nodejs/cluster.js", MANY)
        proved("Node.js' cluster")


def fastcgi(path, script, query):
    """The answer of a FastCGI server to a GET."""
    def record(kind, data):
        return struct.pack("!BBHHBB", 1, kind, 1, len(data), 0, 0) + data

    def pair(name, value):
        return struct.pack("!II", len(name) | 1 << 31, len(value) | 1 << 31) + name.encode() + value.encode()

    params = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET", "SCRIPT_FILENAME": script, "QUERY_STRING": query}
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(path)
        s.sendall(record(1, struct.pack("!HB5x", 1, 0)) + record(4, b"".join(pair(*p) for p in params.items())) + record(4, b"") + record(5, b""))
        answer = b""
        while data := s.recv(65536):
            answer += data
    return answer


def php_fpm(out):
    """PHP-FPM, through syslog"""
    fpm = max(glob.glob("/usr/sbin/php-fpm*"), default=None)
    if not fpm:
        skip("PHP-FPM", "not installed: php-fpm")
        return
    with recipe(out) as r:
        os.makedirs("/run/php", exist_ok=True)
        shutil.copy(f"{EXAMPLES}/php-fpm/shop.php", out)  # where any user may read it
        with open(f"{out}/fpm.conf", "w") as f:
            f.write(f"[global]\nerror_log={out}/fpm.log\ndaemonize=no\ninclude={os.path.abspath(EXAMPLES)}/php-fpm/pool.conf\n")
        r.program = r.start(fpm, "--nodaemonize", "--fpm-config", f"{out}/fpm.conf")
        r.wait_for(lambda: os.path.exists("/run/php/shop.sock"), "PHP-FPM to listen")
        fastcgi("/run/php/shop.sock", f"{out}/shop.php", "")  # PHP warns that there is no order
        with Clients(lambda order: fastcgi("/run/php/shop.sock", f"{out}/shop.php", f"order={order}")):
            r.kill_workers(r.program.pid)
            r.kill_program()
        r.judge("shop-php")
        warnings = [rec for rec in r.x.received() if str(rec.get("body")).startswith("PHP Warning: ")]
        check("what PHP itself says is there", warnings and {(w["service"], w["severity_text"]) for w in warnings} == {("shop-php", "warning")},
              warnings[:2])
    proved("PHP-FPM")


class Podman:
    """A container of what this machine has: a shell and some programs. Its options come from files, so that examples/podman/run.sh is
    run as it is."""

    def __init__(self, out):
        self.root, self.out = f"{out}/root", out
        for name in ("proc", "sys", "dev", "tmp", "run", "etc", "bin"):
            os.makedirs(f"{self.root}/{name}")
        for name, program in (("sh", "dash"), ("sleep", "sleep"), ("seq", "seq"), ("logger", "logger")):
            self.copy(shutil.which(program), f"/bin/{name}")
        with open(f"{out}/storage.conf", "w") as f:
            f.write(f'[storage]\ndriver = "vfs"\ngraphroot = "{out}/storage"\nrunroot = "/run/containers/storage"\n')
        with open(f"{out}/containers.conf", "w") as f:
            f.write('[containers]\nnetns = "none"\ncgroups = "disabled"\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
                    '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n')
        self.env = {"CONTAINERS_CONF": f"{out}/containers.conf", "CONTAINERS_STORAGE_CONF": f"{out}/storage.conf"}

    def copy(self, source, target):
        """A program, with the libraries that it needs."""
        shutil.copy(source, self.root + target)
        found = subprocess.run(["ldd", source], stdout=subprocess.PIPE, text=True, check=True).stdout
        for library in (word for word in found.split() if word.startswith("/")):
            os.makedirs(self.root + os.path.dirname(library), exist_ok=True)
            shutil.copy(library, self.root + library)

    def __call__(self, *arguments):
        done = subprocess.run(["podman", *arguments], env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise RuntimeError(f"podman {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()


def podman(out):
    """Podman: what a container prints, by the journald log driver; and what it logs to the journal's socket itself"""
    if missing("Podman", "podman", "conmon", "dash", "logger"):
        return
    p = Podman(out)
    # crun and runc want version 2 of cgroups alone, or version 1 alone; this is a mount namespace of our own
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=False)
    try:
        p("run", "--rm", "--log-driver", "none", "--rootfs", p.root, "/bin/sh", "-c", "exit 0")
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        skip("Podman", f"it cannot run a container here: {e}")
        return
    prints = f"for worker in 1 2 3 4; do (for order in $(seq $worker 4 {MANY}); do for step in $(seq 20); do echo order $order step $step; " \
             "sleep 0.005; done; done) & done; wait"
    shutil.copy(f"{EXAMPLES}/shell/fields.sh", p.root)
    for name, options, program, traces in (
            ("shop-podman", "", ("/bin/sh", "-c", prints), None),
            ("shop-logger", f"--volume /run/systemd/journal/socket:/run/systemd/journal/socket --env TRACEPARENT={TRACEPARENT}",
             ("/fields.sh", MANY), "one")):
        os.mkdir(f"{out}/{name}")
        with recipe(f"{out}/{name}") as r:
            shutil.copy(r.preload, f"{p.root}/written.so")
            options += f" --volume {r.written}:/lines --env LD_PRELOAD=/written.so --env WRITTEN=/lines"
            r.run(f"{EXAMPLES}/podman/run.sh", name, "--rootfs", p.root, *program, env={**p.env, "PODMAN": options})
            try:
                r.kill_workers(int(p("inspect", "--format", "{{.State.Pid}}", name)))
                p("kill", "--signal", "KILL", name)
                r.kills += 10  # all that is in it
                p("wait", name)  # conmon has read the pipe to its end
            finally:
                p("rm", "--force", name)
            r.judge(name, traces=traces)
    proved("Podman")


run(process_pool, multiprocessing_workers, gunicorn, celery, rq, nodejs, php_fpm, podman)

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_journal.py N: N entries of a busy host's journal in the Journal Export Format, on standard output.

What is measured with it should hold for real machines, so the entries have the fields that journalctl -o verbose shows on one
(about 23 each), messages of real lengths and variety, and what is awkward: stack traces, a few bodies up to 64 KiB, bytes that
are no UTF-8, processes that come and go. Always the same bytes for the same N. Standard library only."""
import base64
import math
import random
import struct
import sys

START_USEC = 1_790_000_000_000_000
UPTIME_USEC = 3_600_000_000
MACHINE = "4f0c9be1a2a84e2f9d6f0f4f3a3b7c55"
BOOT = "9d1c6f7e0b1d4b5f8a8f2c4f7e6d5c3b"

rng = random.Random(20261)
bits, uniform, pick = rng.getrandbits, rng.random, rng.choice


def below(n):
    return int(uniform() * n)


def hexadecimal(digits):
    return f"{bits(4 * digits):0{digits}x}"


def field(name, value):
    """For values that are no line of text: those with a newline, and those that are no UTF-8."""
    data = value if isinstance(value, bytes) else value.encode()
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"


def lines(**fields):
    return "".join(f"{name}={value}\n" for name, value in fields.items()).encode()


HOST = lines(_BOOT_ID=BOOT, _MACHINE_ID=MACHINE, _HOSTNAME="web-07")
UNCONFINED = field("_SELINUX_CONTEXT", "unconfined\n")  # as AppArmor's files in /proc say it, with a newline
ALL_CAPABILITIES = "1ffffffffff"


# --- words ---

PATHS = ["/", "/login", "/cart", "/checkout", "/search", "/static/app.{h}.js", "/static/main.{h}.css", "/img/p/{n}.webp",
         "/api/v2/orders/{n}", "/api/v2/orders/{n}/lines", "/api/v2/customers/{n}", "/api/v2/stock?sku={h}", "/healthz",
         "/api/v2/prices?currency=EUR&sku={h}&page={d}", "/wp-login.php", "/.env", "/feeds/{n}.xml"]
AGENTS = ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{d}.0.0.0 Safari/537.36",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{d} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{d} "
          "Mobile/15E148 Safari/604.1", "Mozilla/5.0 (X11; Linux x86_64; rv:1{d}.0) Gecko/20100101 Firefox/1{d}.0",
          "curl/7.88.1", "kube-probe/1.29", "Go-http-client/2.0", "python-requests/2.3{d}",
          "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"]
USERS = ["root", "admin", "test", "oracle", "ubuntu", "git", "postgres", "deploy", "alice", "bob", "mchen", "svc-backup"]
NAMES = ["anna", "björn", "chen", "dmitri", "elena", "françois", "grace", "hiro", "ines", "jürgen", "kofi", "łukasz"]
TABLES = ["orders", "order_lines", "customers", "stock", "sessions", "prices", "shipments", "audit_log"]
MODULES = ["checkout.payment", "checkout.basket", "inventory.sync", "notify.mail", "pricing.engine", "search.index"]
FUNCTIONS = ["charge", "reserve", "release", "refresh", "publish", "apply_rules", "on_message", "commit", "retry"]
ERRORS = ["ConnectionResetError: [Errno 104] Connection reset by peer", "KeyError: 'sku'", "TimeoutError: 30.0 s passed",
          "ValueError: could not convert string to float: ''", "OperationalError: deadlock detected"]
WORDS = ("the quick order of customer has been moved to another warehouse because its stock was counted again and the price "
         "list did not match what our partner sent last night so that payment is held until somebody looks at it").split()


def address():
    return f"{below(222) + 1}.{below(256)}.{below(256)}.{below(254) + 1}"


def filled(template):
    return template.replace("{h}", hexadecimal(8)).replace("{n}", str(below(900000) + 1000)).replace("{d}", str(below(30)))


def sentence(words):
    return " ".join(WORDS[below(len(WORDS))] for _ in range(words))


def clock(now):
    """The time of day, with milliseconds."""
    second = now // 10**6
    return f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{now // 1000 % 1000:03d}"


def duration():
    return math.exp(uniform() * 7 - 1)  # milliseconds: 0.4 .. 400


def large_text():
    """4 to 64 KiB, small ones more often: what people log whole."""
    size = int(4096 * 2 ** (4 * uniform() ** 2)) - 64
    kind = below(3)
    if kind == 0:
        text = "request payload: " + base64.b64encode(rng.randbytes(size * 3 // 4)).decode()
    elif kind == 1:
        items = [f'{{"sku":"{hexadecimal(8)}","qty":{below(20)},"price":{below(90000) / 100},"note":"{sentence(4)}"}}'
                 for _ in range(size // 85)]
        text = f'{{"event":"basket","customer":{below(10**6)},"items":[' + ",".join(items) + "]}"
    else:
        text = "slow statement:\n" + "\n".join(
            f"  UNION SELECT {pick(TABLES)}.id, '{hexadecimal(12)}' FROM {pick(TABLES)} WHERE id = {below(10**7)}"
            for _ in range(size // 75))
    return text[:size]


# --- processes ---

class Process:
    """What journald says about a sender: the fields that all its entries share. Its pid and invocation change now and then."""

    def __init__(self, comm, exe, cmdline, transport, cgroup, slice_, unit=None, uid=0, capabilities="0", life=20000, **more):
        self.lasting = HOST + UNCONFINED + lines(
            _TRANSPORT=transport, _UID=uid, _GID=uid, _COMM=comm, _EXE=exe, _CMDLINE=cmdline, _CAP_EFFECTIVE=capabilities,
            _SYSTEMD_CGROUP=cgroup, _SYSTEMD_SLICE=slice_, **({"_SYSTEMD_UNIT": unit} if unit else {}), **more)
        self.transport, self.life, self.left = transport, life, 0

    def begin(self):
        self.pid = below(90000) + 300
        self.left = 1 + below(2 * self.life)
        self.fields = self.lasting + lines(_PID=self.pid, _SYSTEMD_INVOCATION_ID=hexadecimal(32))
        if self.transport == "stdout":
            self.fields += lines(_STREAM_ID=hexadecimal(32))

    def common(self):
        if self.left == 0:
            self.begin()
        self.left -= 1
        return self.fields


def service(name, exe, cmdline, transport="stdout", **more):
    return Process(more.pop("comm", name), exe, cmdline, transport, f"/system.slice/{name}.service", "system.slice",
                   f"{name}.service", **more)


def source_time(now):
    return now - 40 - below(30000)


def by_syslog(process, identifier, facility, priority, message, now):
    common = process.common()
    return common + lines(SYSLOG_IDENTIFIER=identifier, SYSLOG_FACILITY=facility, PRIORITY=priority, SYSLOG_PID=process.pid,
                          SYSLOG_TIMESTAMP=f"Sep 21 {clock(now)[:8]} ", _SOURCE_REALTIME_TIMESTAMP=source_time(now), MESSAGE=message)


def by_stdout(process, identifier, priority, message):
    end = field("MESSAGE", message) if isinstance(message, bytes) or "\n" in message else lines(MESSAGE=message)
    return process.common() + lines(SYSLOG_IDENTIFIER=identifier, SYSLOG_FACILITY=3, PRIORITY=priority) + end


# --- who logs what ---

nginx = service("nginx", "/usr/sbin/nginx", "nginx: worker process", "syslog", uid=33)
postgres = Process("postgres", "/usr/lib/postgresql/15/bin/postgres", "postgres: 15/main: shop shop 10.3.0.12(41532) SELECT",
                   "stdout", "/system.slice/system-postgresql.slice/postgresql@15-main.service", "system-postgresql.slice",
                   "postgresql@15-main.service", uid=108, life=400)
workers = [service(f"shop-worker@{k}", "/usr/bin/python3.11",
                   f"/srv/shop/venv/bin/python3 -m shop.worker --queue={q} --concurrency 8 --max-tasks-per-child 200",
                   "journal", comm="python3", uid=998, life=150) for k, q in enumerate(("orders", "mail", "stock", "search"))]
dockerd = service("docker", "/usr/bin/dockerd", "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock",
                  "journal", comm="dockerd", capabilities=ALL_CAPABILITIES)
containers = [(name, image, hexadecimal(64)) for name, image in
              (("shop-gateway-1", "registry.example.com/shop/gateway:4.18.2"), ("shop-pricing-1", "registry.example.com/pricing:2.0"),
               ("shop-search-1", "docker.elastic.co/elasticsearch/elasticsearch:8.14.1"), ("redis", "redis:7.2-alpine"))]
sshd = Process("sshd", "/usr/sbin/sshd", "sshd: [accepted]", "syslog", "/system.slice/ssh.service", "system.slice", "ssh.service",
               capabilities=ALL_CAPABILITIES, life=3)
cron = Process("cron", "/usr/sbin/cron", "/usr/sbin/CRON -f", "syslog", "/system.slice/cron.service", "system.slice", "cron.service",
               capabilities=ALL_CAPABILITIES, life=3, _AUDIT_LOGINUID=0, _AUDIT_SESSION=2117)
manager = Process("systemd", "/usr/lib/systemd/systemd", "/sbin/init", "journal", "/init.scope", "-.slice", "init.scope",
                  capabilities=ALL_CAPABILITIES, life=10**9)
sudo = Process("sudo", "/usr/bin/sudo", "sudo systemctl restart shop-worker@0", "syslog", "/user.slice/user-1000.slice/session-31.scope",
               "user-1000.slice", "session-31.scope", uid=1000, capabilities=ALL_CAPABILITIES, life=2, _AUDIT_SESSION=31,
               _AUDIT_LOGINUID=1000, _SYSTEMD_OWNER_UID=1000, _SYSTEMD_SESSION=31, _SYSTEMD_USER_SLICE="-.slice")
user_app = Process("node", "/usr/bin/node", "node /home/alice/bots/digest.js --interval 60", "stdout",
                   "/user.slice/user-1000.slice/user@1000.service/app.slice/digest.service", "user-1000.slice", "user@1000.service",
                   uid=1000, _SYSTEMD_USER_UNIT="digest.service", _SYSTEMD_USER_SLICE="app.slice", _SYSTEMD_OWNER_UID=1000,
                   _AUDIT_SESSION=3, _AUDIT_LOGINUID=1000)
legacy = service("billing-legacy", "/opt/billing/bin/billingd", "/opt/billing/bin/billingd -c /etc/billing/billing.ini -d 3", uid=997)
daemons = [
    ("systemd-resolved", service("systemd-resolved", "/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved", "journal", uid=101),
     lambda now: f"Using degraded feature set UDP instead of UDP+EDNS0 for DNS server {address()}."),
    ("chronyd", service("chrony", "/usr/sbin/chronyd", "/usr/sbin/chronyd -F 1", "syslog", uid=102, comm="chronyd"),
     lambda now: f"Selected source {address()} (2.debian.pool.ntp.org), offset {uniform() - 0.5:+.9f} s"),
    ("kubelet", service("kubelet", "/usr/bin/kubelet", "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml --node-ip=10.3.0.7"),
     lambda now: f"I0921 {clock(now)}    1102 kubelet.go:{below(2900)}] \"SyncLoop (PLEG): event for pod\" "
             f"pod=\"shop/cart-{hexadecimal(10)}-{hexadecimal(5)}\" event={{\"ID\":\"{hexadecimal(8)}-{hexadecimal(4)}-"
             f"{hexadecimal(4)}-{hexadecimal(4)}-{hexadecimal(12)}\",\"Type\":\"ContainerStarted\",\"Data\":\"{hexadecimal(64)}\"}}"),
    ("postfix/smtp", service("postfix@-", "/usr/lib/postfix/sbin/smtp", "smtp -t unix -u -c", "syslog", uid=110, comm="smtp", life=40),
     lambda now: f"{hexadecimal(10).upper()}: to=<{pick(NAMES)}{below(1000)}@example.org>, relay=mx{below(4)}.example.org[{address()}]:25, "
             f"delay={uniform() * 3:.2f}, delays=0.02/0.01/{uniform():.2f}/{uniform():.2f}, dsn=2.0.0, status=sent "
             f"(250 2.0.0 Ok: queued as {hexadecimal(11).upper()})"),
]


def log_nginx(now):
    status = pick((200,) * 12 + (304, 301, 404, 404, 499, 502))
    return by_syslog(nginx, "nginx", 23, 6, f'{address()} - - [21/Sep/2026:{clock(now)[:8]} +0000] '
                     f'"{pick(("GET", "GET", "GET", "POST"))} {filled(pick(PATHS))} HTTP/{pick(("1.1", "2.0"))}" {status} '
                     f'{int(duration() * 90)} "{pick(("-", "https://shop.example.com/cart", "https://www.google.com/"))}" '
                     f'"{filled(pick(AGENTS))}" rt={duration() / 1000:.3f}', now)


def log_postgres(now):
    kind = below(4)
    if kind < 2:
        text = (f"2026-09-21 {clock(now)} UTC [{below(90000)}] shop@shop LOG:  duration: {duration():.3f} ms  statement: "
                f"SELECT * FROM {pick(TABLES)} WHERE customer_id = {below(10**6)} AND state IN ('open', 'held') ORDER BY id LIMIT {below(100)}")
    elif kind == 2:
        text = (f"2026-09-21 {clock(now)} UTC [812] LOG:  checkpoint complete: wrote {below(9000)} buffers "
                f"({uniform() * 30:.1f}%); write={uniform() * 200:.3f} s, sync={uniform():.3f} s, total={uniform() * 201:.3f} s")
    else:
        text = (f"2026-09-21 {clock(now)} UTC [{below(90000)}] shop@shop ERROR:  duplicate key value violates unique "
                f"constraint \"{pick(TABLES)}_pkey\" DETAIL:  Key (id)=({below(10**8)}) already exists.")
    return by_stdout(postgres, "postgres", 6, text)


def log_worker(now):
    process, module, priority = pick(workers), pick(MODULES), pick((6,) * 10 + (7, 7, 4, 3))
    file = f"/srv/shop/venv/lib/python3.11/site-packages/shop/{module.replace('.', '/')}.py"
    function, line = pick(FUNCTIONS), below(600) + 10
    text = (f"task {hexadecimal(8)}-{hexadecimal(4)}-4{hexadecimal(3)}-a{hexadecimal(3)}-{hexadecimal(12)} order={below(10**7)} "
            f"customer={pick(NAMES)}.{pick(NAMES)}@example.com {sentence(below(14) + 3)} in {duration():.1f} ms")
    if below(600) == 0:
        text = large_text()
    elif priority == 3:
        text += "\nTraceback (most recent call last):\n" + "".join(
            f'  File "/srv/shop/venv/lib/python3.11/site-packages/shop/{pick(MODULES).replace(".", "/")}.py", line {below(700)}, '
            f"in {pick(FUNCTIONS)}\n    {pick(FUNCTIONS)}({pick(TABLES)}, timeout={below(60)})\n"
            for _ in range(below(12) + 3)) + pick(ERRORS)
    common = process.common()
    traced = lines(TRACE_ID=hexadecimal(32), SPAN_ID=hexadecimal(16), TRACE_FLAGS="01") if below(5) else b""
    return (common + traced + field("MESSAGE", text) +
            lines(PRIORITY=priority, SYSLOG_IDENTIFIER="shop-worker", LOGGER=module, THREAD_NAME=f"ForkPoolWorker-{below(8) + 1}",
                  CODE_FILE=file, CODE_LINE=line, CODE_FUNC=function, _SOURCE_REALTIME_TIMESTAMP=source_time(now)))


def log_container(now):
    which = below(len(containers))
    name, image, container = containers[which]
    priority = 6
    if which == 2 and below(8) == 0:
        priority = 3
        text = (f"[2026-09-21T{clock(now)}][WARN ][o.e.x.s.SearchService] [{hexadecimal(8)}] search of [{pick(TABLES)}] failed\n"
                "java.util.concurrent.ExecutionException: org.elasticsearch.ElasticsearchTimeoutException\n" + "\n".join(
                    f"\tat org.elasticsearch.{pick(MODULES)}.{pick(FUNCTIONS).title()}Action.{pick(FUNCTIONS)}({pick(FUNCTIONS).title()}"
                    f"Action.java:{below(900)})" for _ in range(below(30) + 8)))
    elif which == 3:
        text = f"1:M 21 Sep 2026 {clock(now)} * {below(900)} changes in 60 seconds. Background saving started by pid {below(30000)}"
    else:
        text = (f'{{"level":"{pick(("info", "info", "debug", "warn"))}","ts":{now / 1e6:.6f},"caller":"http/server.go:{below(400)}","msg":"'
                f'{sentence(below(6) + 2)}","method":"{pick(("GET", "POST"))}","path":"{filled(pick(PATHS))}",'
                f'"status":{pick((200, 200, 201, 404, 500))},"latency_ms":{duration():.2f},"remote":"{address()}","request_id":"{hexadecimal(20)}","user":{below(10**6)}}}')
        if below(900) == 0:
            text = large_text()
    return (dockerd.common() + field("MESSAGE", text) +
            lines(PRIORITY=priority, SYSLOG_IDENTIFIER=container[:12], CONTAINER_ID=container[:12], CONTAINER_ID_FULL=container,
                  CONTAINER_NAME=name, CONTAINER_TAG=container[:12], IMAGE_NAME=image,
                  SYSLOG_TIMESTAMP=f"2026-09-21T{clock(now)}Z", _SOURCE_REALTIME_TIMESTAMP=source_time(now)))


def log_sshd(now):
    where = f"{address()} port {below(60000) + 1024}"
    text = pick((f"Failed password for invalid user {pick(USERS)}{below(100)} from {where} ssh2",
                 f"Invalid user {pick(USERS)}{below(100)} from {where}",
                 f"Connection closed by authenticating user root {where} [preauth]", f"Received disconnect from {where}:11: Bye Bye [preauth]",
                 f"Accepted publickey for deploy from {where} ssh2: ED25519 SHA256:{base64.b64encode(rng.randbytes(32)).decode()[:43]}"))
    return by_syslog(sshd, "sshd", 10 if below(2) else 4, 6, text, now)


def log_cron(now):
    text = pick(("(root) CMD (   cd / && run-parts --report /etc/cron.hourly)", "pam_unix(cron:session): session closed for user root",
                 "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
                 f"(www-data) CMD (php /srv/cms/cron.php --site {below(40)} >/dev/null 2>&1)"))
    return by_syslog(cron, "CRON", 10 if "pam" in text else 9, 6, text, now)


def log_manager(now):
    unit = pick((f"run-docker-runtime\\x2drunc-moby-{hexadecimal(64)}-runc.{hexadecimal(6)}.mount",
                 "apt-daily.service", "logrotate.service", f"shop-worker@{below(4)}.service", f"session-{below(9000)}.scope", "phpsessionclean.service",
                 "fstrim.service"))
    what, line, job = pick((("Finished", 768, "finished"), ("Started", 768, "start"), ("Starting", 541, "start"), ("Stopped", 781, "stop")))
    return (manager.common() + lines(
        SYSLOG_IDENTIFIER="systemd", SYSLOG_FACILITY=3, PRIORITY=6, TID=1, CODE_FILE="src/core/job.c", CODE_LINE=line,
        CODE_FUNC="job_emit_done_message", MESSAGE_ID="39f53479d3a045ac8e11786248231fbf", JOB_ID=below(10**6), JOB_TYPE=job, JOB_RESULT="done",
        UNIT=unit, INVOCATION_ID=hexadecimal(32), MESSAGE=f"{what} {unit} - {sentence(4).capitalize()}.", _SOURCE_REALTIME_TIMESTAMP=source_time(now)))


def log_kernel(now):
    if below(4):
        text = (f"[UFW BLOCK] IN=eth0 OUT= MAC=00:0d:3a:{bits(8):02x}:5e:0b:12:34:56:78:9a:bc:08:00 SRC={address()} "
                f"DST=10.3.0.7 LEN={40 + below(60)} TOS=0x00 PREC=0x00 TTL={below(255)} ID={bits(16)} PROTO=TCP "
                f"SPT={bits(16)} DPT={bits(16)} WINDOW={bits(16)} RES=0x00 SYN URGP=0")
        more = b""
    else:
        veth = hexadecimal(7)
        text = f"docker0: port {below(12)}(veth{veth}) entered {pick(('blocking', 'forwarding', 'disabled'))} state"
        more = lines(_KERNEL_SUBSYSTEM="net", _KERNEL_DEVICE=f"n{below(300)}", _UDEV_SYSNAME="docker0")
    return HOST + more + lines(_TRANSPORT="kernel", SYSLOG_FACILITY=0, SYSLOG_IDENTIFIER="kernel", PRIORITY=pick((4, 6)),
                               _SOURCE_MONOTONIC_TIMESTAMP=now - START_USEC + UPTIME_USEC - 900, MESSAGE=text)


def log_user(now):
    if below(3) == 0:
        return by_syslog(sudo, "sudo", 10, 5, f"   alice : TTY=pts/{below(5)} ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/systemctl "
                         f"{pick(('status', 'restart', 'reload'))} shop-worker@{below(4)}", now)
    return by_stdout(user_app, "node", 6, f"[{now // 1000}] digest: {below(400)} feeds, {sentence(below(10) + 2)} ({duration():.0f} ms)")


def log_daemon(now):
    name, process, text = pick(daemons)
    if process.transport == "stdout":
        return by_stdout(process, name, 6, text(now))
    return by_syslog(process, name, 3, pick((6, 6, 5, 4)), text(now), now)


def log_legacy(_):
    kind = below(20)
    if kind == 0:
        return by_stdout(legacy, "billingd", 7, b"frame " + rng.randbytes(below(200) + 20))
    if kind < 4:
        return by_stdout(legacy, "billingd", 5, f"Rechnung {below(10**6)} für {pick(NAMES)} gebucht".encode("latin-1", "replace"))
    return by_stdout(legacy, "billingd", 6, f"{below(10**6):08d} POSTED {uniform() * 900:.2f} EUR acct {hexadecimal(10)} {sentence(3)}")


MIX = [log_nginx] * 22 + [log_worker] * 18 + [log_container] * 15 + [log_postgres] * 9 + [log_sshd] * 7 + [log_daemon] * 8 + \
      [log_kernel] * 6 + [log_cron] * 5 + [log_manager] * 5 + [log_user] * 3 + [log_legacy] * 2


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    out, now, burst = sys.stdout.buffer, START_USEC, None
    for _ in range(int(sys.argv[1])):
        if uniform() < 0.4:  # who has just written writes on at once
            now += below(300)
        else:
            now += 1000 + below(50000)
            burst = pick(MIX)
        entry = (burst or log_manager)(now)
        out.write(f"__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={now - START_USEC + UPTIME_USEC}\n".encode() + entry + b"\n")


if __name__ == "__main__":
    main()

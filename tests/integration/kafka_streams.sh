#!/bin/bash
# SPDX-License-Identifier: MIT
# Hosts write to a topic of Kafka's, relays carry it on to the destination; all of them are killed, and brokers come and go. The
# brokers are librdkafka's mock cluster (tests/lib/kafka_mock.c), which speaks Kafka's protocol and forgets everything when it
# ends: what replicas, a disk, TLS, SASL and a broker's death do to what is stored, tests/interop/kafka looks at.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh" || exit 99
[ -x "$builddir/tests/lib/kafka_mock" ] || skip_all "azmonlog is built without librdkafka"
[ -x /lib/systemd/systemd-journal-remote ] || skip_all "needs /lib/systemd/systemd-journal-remote"
run_python

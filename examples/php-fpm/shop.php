<?php
// SPDX-License-Identifier: MIT
// GET shop.php?order=ORDER packs it. Logs by syslog(3), which journald receives, or rsyslog.
openlog("shop-php", LOG_PID, LOG_USER);

for ($step = 1; $step <= 20; $step++) {
    syslog(LOG_INFO, sprintf("order %d step %d", $_GET["order"], $step));
    usleep(5000);
}
echo "packed\n";

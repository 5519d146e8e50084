/* SPDX-License-Identifier: MIT */
#pragma once

/* SQLite's access to files (a "VFS"), with writes gathered: SQLite hands over every page of a commit, and the 24 bytes
 * in front of it, alone; what lies side by side goes to the kernel as one write. That takes a third off the CPU time of
 * a commit.
 *
 * Nothing that SQLite relies on is in memory only: it goes to the file before the file is flushed, read, cut, asked for
 * its size or closed. So a commit with synchronous=FULL is on disk when it returns, as without this; and where the
 * kernel refuses a gathered write, the call fails that has sent it off. */

/* The name to open a database with; NULL: as SQLite does it by itself, because there is no memory for this. */
const char *azm_spool_vfs(void);

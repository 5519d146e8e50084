/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source/sigbus.h"

static atomic_uint replaced; /* a signal handler's state cannot be anybody's argument */
static uintptr_t page_mask;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    void *page = (void *)((uintptr_t)info->si_addr & page_mask);

    (void)context;
    /* BUS_ADRERR: an address that is mapped but has no file behind it any more */
    if (info->si_code != BUS_ADRERR || mmap(page, ~page_mask + 1, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        signal(sig, SIG_DFL); /* the instruction runs again and has its usual end */
        return;
    }
    atomic_fetch_add(&replaced, 1);
    errno = saved;
}

void azm_sigbus_install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

    page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

unsigned azm_sigbus_count(void)
{
    return atomic_load(&replaced);
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/watch.h"
#include "core/log.h"

#if !HAVE_NCURSES

int cli_watch(const struct status_target *target)
{
    (void)target;
    azm_log(AZM_LOG_ERROR, "this azmonlog was built without ncurses, which status --watch needs; watch -n1 azmonlog "
                           "status does nearly the same");
    return AZM_EXIT_USAGE;
}

#else

/* curses.h and term.h make macros of many short words: they come last */
#include "cli/actions.h"
#include "cli/control_client.h"
#include "cli/status_health.h"
#include "cli/watch_screen.h"
#include "core/clock.h"
#include <curses.h>
#include <term.h>
#undef lines

#define REFRESH_USEC AZM_USEC_PER_SEC

struct watch {
    const struct status_target *target;
    json_t *statuses, *trend;
    size_t selected;
    bool chosen; /* by a key; until then the worst one is shown */
    bool utf8;
    struct watch_screen screen;
};

/* --- what is to be seen --- */

static size_t index_of(const json_t *statuses, const json_t *wanted)
{
    size_t i = 0;

    while (i < json_array_size(statuses) && json_array_get(statuses, i) != wanted)
        i++;
    return i;
}

/* Its own trend; none of one that does not run, or is of an older version. */
static json_t *ask_trend(const struct watch *w)
{
    const char *action = json_string_value(json_object_get(json_array_get(w->statuses, w->selected), "action"));
    _cleanup_free_ char *path = action ? cli_action_control(action) : cli_control_path(w->target->config);
    struct azm_error err;
    json_t *trend;

    if (!path || azm_control_call(path,
                                  json_pack("{s:s, s:i}", "command", "trend", "intervals",
                                            (int)MAX(watch_graph_width((unsigned)COLS), 1U)),
                                  cli_deadline(w->target->limit_usec), &trend, &err) < 0)
        return NULL;
    if (!json_object_get(trend, "error"))
        return trend;
    json_decref(trend);
    return NULL;
}

/* 0 or -errno. */
static int look(struct watch *w, struct azm_error *err)
{
    json_t *statuses;
    int r = cli_collect_status(w->target, &statuses, err);

    if (r < 0) {
        json_decref(statuses);
        return r;
    }
    json_decref(w->statuses);
    w->statuses = statuses;
    if (!w->chosen)
        w->selected = index_of(statuses, status_worst(statuses));
    if (w->selected >= json_array_size(statuses))
        w->selected = 0;
    return 0;
}

/* --- the terminal --- */

static void set_up_colours(void)
{
    static const short colours[] = {
        [WATCH_GOOD] = COLOR_GREEN, [WATCH_DOUBTFUL] = COLOR_YELLOW, [WATCH_BAD] = COLOR_RED};
    const char *no_colour = getenv("NO_COLOR");

    if (!has_colors() || (no_colour && *no_colour) || start_color() == ERR)
        return;
    use_default_colors();
    for (int i = WATCH_GOOD; i <= WATCH_BAD; i++)
        init_pair((short)i, colours[i], -1);
}

/* Can text be placed on it? (Asked first, because newterm(3) leaves pieces behind where it fails.) */
static bool can_place_text(void)
{
    const char *place;
    bool can;
    int found;

    if (setupterm(NULL, STDOUT_FILENO, &found) != OK)
        return false;
    place = tigetstr("cup");
    can = place && place != (const char *)-1;
    del_curterm(cur_term);
    return can;
}

/* 0 or -errno. */
static int open_terminal(struct watch *w, SCREEN **ret, struct azm_error *err)
{
    const char *term = getenv("TERM");

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return azm_error_set(err, ENOTTY, "status --watch needs a terminal; azmonlog status does not");
    setlocale(LC_CTYPE, "");
    /* the font of the console has no block elements but two */
    w->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 && term && strcmp(term, "linux") != 0;
    *ret = can_place_text() ? newterm(NULL, stdout, stdin) : NULL;
    if (!*ret)
        return azm_error_set(err, ENOTTY,
                             "status --watch cannot place text on this terminal (TERM=%s); azmonlog status needs none",
                             term ? term : "");
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    set_up_colours();
    return 0;
}

static void close_terminal(SCREEN *terminal)
{
    /* where there is no other screen to go back to, as on the console of Linux, the shell goes on in the last line */
    move(LINES - 1, 0);
    clrtoeol();
    refresh();
    endwin();
    delscreen(terminal);
}

static attr_t attributes(enum watch_paint paint)
{
    switch (paint) {
    case WATCH_STRONG:
        return A_BOLD;
    case WATCH_GOOD:
    case WATCH_DOUBTFUL:
    case WATCH_BAD:
        return A_BOLD | (attr_t)COLOR_PAIR(paint);
    case WATCH_PLAIN:
        break;
    }
    return A_NORMAL;
}

static void draw(struct watch *w)
{
    const struct watch_view view = {
        .statuses = w->statuses,
        .selected = w->selected,
        .trend = w->trend,
        .now_usec = azm_realtime_usec(&azm_system_clock),
        .width = (unsigned)COLS,
        .height = (unsigned)LINES,
        .utf8 = w->utf8,
    };

    watch_render(&view, &w->screen);
    erase();
    for (size_t i = 0; i < w->screen.n; i++) {
        const struct watch_line *l = &w->screen.lines[i];

        attrset((int)attributes(l->paint));
        mvaddnstr((int)i, 0, (const char *)l->text.data, (int)l->text.len);
    }
    refresh();
}

/* Waits for a key until then, or for a new size: false if the terminal has gone. */
static bool wait_for_key(uint64_t until_usec)
{
    uint64_t now = azm_monotonic_usec(&azm_system_clock);
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    int key;

    if (poll(&p, 1, until_usec > now ? (int)((until_usec - now) / AZM_USEC_PER_MSEC + 1) : 0) <= 0)
        return true; /* the time is up, or SIGWINCH */
    key = getch();
    if (key == ERR)
        return false;
    ungetch(key);
    return true;
}

/* Until q is pressed, or the terminal has gone. */
static void run(struct watch *w)
{
    struct azm_error err;
    uint64_t next;
    int key;

    for (;;) {
        json_decref(w->trend);
        w->trend = ask_trend(w);
        next = azm_monotonic_usec(&azm_system_clock) + REFRESH_USEC;
        draw(w);
        while (azm_monotonic_usec(&azm_system_clock) < next) {
            if (!wait_for_key(next))
                return;
            while ((key = getch()) != ERR) {
                if (key == 'q' || key == 'Q')
                    return;
                if (key == '\t' && json_array_size(w->statuses) > 1) {
                    w->selected = (w->selected + 1) % json_array_size(w->statuses);
                    w->chosen = true;
                    json_decref(w->trend);
                    w->trend = ask_trend(w);
                }
                draw(w); /* also for KEY_RESIZE */
            }
        }
        (void)look(w, &err); /* else it stays as it is; the ages grow */
    }
}

int cli_watch(const struct status_target *target)
{
    struct watch w = {.target = target};
    SCREEN *terminal = NULL;
    struct azm_error err;
    int r = look(&w, &err);

    if (r >= 0)
        r = open_terminal(&w, &terminal, &err);
    if (r >= 0) {
        run(&w);
        close_terminal(terminal);
    }
    json_decref(w.statuses);
    json_decref(w.trend);
    watch_screen_free(&w.screen);
    if (r == -ENOTTY) {
        azm_log(AZM_LOG_ERROR, "%s", err.words);
        return AZM_EXIT_USAGE;
    }
    return r < 0 ? cli_fail(r, &err) : AZM_EXIT_OK;
}

#endif

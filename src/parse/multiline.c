/* SPDX-License-Identifier: MIT */
#include "parse/multiline.h"

#include "core/cleanup.h"

enum {
    NONE,
    INDENTED,
    GO_PANIC,
    GO_FRAMES,
    JAVA,
    PHP_MESSAGE,
    PHP_FRAMES,
    PYTHON_HEADING, /* a traceback is to come */
    PYTHON_FRAMES,
    PYTHON_GROUP,
    PYTHON_RAISED, /* the line with the exception, behind which another traceback may come */
    PYTHON_FAULT,
    RAILS,
    RUBY,
};

/* --- lines --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins(struct azm_text line, const char *with)
{
    size_t len = strlen(with);

    return line.len >= len && memcmp(line.s, with, len) == 0;
}

static bool ends(struct azm_text line, const char *with)
{
    size_t len = strlen(with);

    return line.len >= len && memcmp(line.s + line.len - len, with, len) == 0;
}

static bool has(struct azm_text line, const char *what)
{
    return memmem(line.s, line.len, what, strlen(what)) != NULL;
}

static bool is_indented(struct azm_text line)
{
    return line.len > 0 && is_blank(*line.s);
}

static bool is_empty(struct azm_text line)
{
    return line.len == 0;
}

static bool is_any(struct azm_text line)
{
    (void)line;
    return true;
}

/* --- Go --- */

static bool is_go_panic(struct azm_text line)
{
    return begins(line, "panic: ") || begins(line, "fatal error: ") || has(line, "http: panic serving ");
}

static bool is_go_detail(struct azm_text line)
{
    return begins(line, "panic: ") || begins(line, "[signal ") || begins(line, "[originating from goroutine ");
}

static bool is_goroutine(struct azm_text line)
{
    return (begins(line, "goroutine ") && ends(line, "]:")) || begins(line, "runtime stack:");
}

/* "main.(*T).run(0xc000010000, 0x1)" */
static bool is_go_function(struct azm_text line)
{
    size_t i = 0;

    if (begins(line, "created by ") || begins(line, "...additional frames elided..."))
        return true;
    while (i < line.len && line.s[i] != '(' && line.s[i] != ':' && !is_blank(line.s[i]))
        i++;
    return i > 0 && i < line.len && line.s[i] == '(' && ends(line, ")");
}

/* --- Java; the same for JavaScript and .NET --- */

/* A word that ends so, at the end of the line or before a colon: "java.io.IOException: no", "Error". */
static bool names_throwable(struct azm_text line)
{
    static const char *const suffixes[] = {"Exception", "Error", "Throwable"};

    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        size_t len = strlen(suffixes[i]);
        struct azm_text rest = line;
        const char *p;

        while ((p = memmem(rest.s, rest.len, suffixes[i], len))) {
            rest.len -= (size_t)(p - rest.s) + len;
            rest.s = p + len;
            if (rest.len == 0 || *rest.s == ':')
                return true;
        }
    }
    return false;
}

static bool is_java_detail(struct azm_text line)
{
    return begins(line, "Caused by: ") || begins(line, "Suppressed: ") || begins(line, "nested exception is:") ||
           begins(line, "--- End of ") || begins(line, "[CIRCULAR REFERENCE");
}

/* The end of what Node.js shows of an error's members: "    at main (a.js:1:7) {", "  code: 1", "}" */
static bool is_closing(struct azm_text line)
{
    return line.len == 1 && *line.s == '}';
}

/* --- PHP --- */

static bool is_php_message(struct azm_text line)
{
    return begins(line, "PHP ") || begins(line, "Fatal error: ");
}

static bool is_php_trace(struct azm_text line)
{
    return begins(line, "Stack trace:") || begins(line, "PHP Stack trace:");
}

static bool is_php_frame(struct azm_text line)
{
    return (line.len > 1 && *line.s == '#' && is_digit(line.s[1])) || begins(line, "PHP   ") ||
           begins(line, "  thrown in ");
}

static bool is_php_next(struct azm_text line)
{
    return begins(line, "Next ");
}

/* --- Python --- */

#define TRACEBACK "Traceback (most recent call last):"

static bool is_python_group(struct azm_text line)
{
    return ends(line, "+ Exception Group " TRACEBACK);
}

static bool is_traceback(struct azm_text line)
{
    return ends(line, TRACEBACK);
}

/* What stands before a traceback of a thread, of a process of multiprocessing, of one of a pool, of a destructor. */
static bool is_python_heading(struct azm_text line)
{
    return ((begins(line, "Exception in thread ") || begins(line, "Process ")) && ends(line, ":")) ||
           ends(line, "RemoteTraceback:") || ends(line, "RemoteTraceback: ") || begins(line, "Exception ignored in: ");
}

static bool is_quotes(struct azm_text line)
{
    return line.len == 3 && memcmp(line.s, "\"\"\"", 3) == 0;
}

/* "ValueError: no", "KeyboardInterrupt", "shop.errors.OutOfStock: 3" */
static bool is_python_exception(struct azm_text line)
{
    size_t i = 0;

    for (; i < line.len && line.s[i] != ':'; i++) {
        char c = line.s[i];

        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !is_digit(c) && c != '_' && c != '.' && c >= 0)
            return false;
    }
    return i > 0 && !is_digit(*line.s);
}

static bool is_python_link(struct azm_text line)
{
    return begins(line, "During handling of the above exception, ") ||
           begins(line, "The above exception was the direct cause ");
}

/* faulthandler's, for a process that crashes */
static bool is_python_fault(struct azm_text line)
{
    return begins(line, "Fatal Python error: ");
}

static bool is_python_fault_detail(struct azm_text line)
{
    return begins(line, "Current thread 0x") || begins(line, "Thread 0x") || begins(line, "Python runtime state: ") ||
           begins(line, "Extension modules: ");
}

/* --- Ruby --- */

/* "app.rb:3:in `buy': sold out (RuntimeError)" */
static bool is_ruby_place(struct azm_text line)
{
    const char *p = line.len > 0 ? memmem(line.s, line.len, ".rb:", 4) : NULL, *end = line.s + line.len;

    if (!p)
        return false;
    for (p += 4; p < end && is_digit(*p); p++)
        ;
    return begins((struct azm_text){p, (size_t)(end - p)}, ":in ");
}

static bool is_ruby_caller(struct azm_text line)
{
    while (is_indented(line)) {
        line.s++;
        line.len--;
    }
    return begins(line, "from ");
}

/* "ActiveRecord::RecordInvalid (no name):" */
static bool is_rails(struct azm_text line)
{
    return ends(line, "):") && has(line, " (") && !is_traceback(line);
}

/* --- what may follow what --- */

static const struct rule {
    azm_multiline_state from;
    bool (*fits)(struct azm_text line);
    azm_multiline_state to;
} rules[] = {
    {INDENTED, is_indented, INDENTED},

    {GO_PANIC, is_indented, GO_PANIC},
    {GO_PANIC, is_go_detail, GO_PANIC},
    {GO_PANIC, is_empty, GO_PANIC},
    {GO_PANIC, is_goroutine, GO_FRAMES},
    {GO_FRAMES, is_indented, GO_FRAMES},
    {GO_FRAMES, is_go_function, GO_FRAMES},
    {GO_FRAMES, is_empty, GO_FRAMES},
    {GO_FRAMES, is_goroutine, GO_FRAMES},

    {JAVA, is_indented, JAVA},
    {JAVA, is_java_detail, JAVA},
    {JAVA, is_closing, JAVA},
    {JAVA, is_empty, JAVA},

    {PHP_MESSAGE, is_php_trace, PHP_FRAMES},
    {PHP_FRAMES, is_php_frame, PHP_FRAMES},
    {PHP_FRAMES, is_empty, PHP_FRAMES},
    {PHP_FRAMES, is_php_next, PHP_MESSAGE},

    {PYTHON_HEADING, is_python_group, PYTHON_GROUP},
    {PYTHON_HEADING, is_traceback, PYTHON_FRAMES},
    {PYTHON_HEADING, is_quotes, PYTHON_HEADING},
    {PYTHON_HEADING, is_empty, PYTHON_HEADING},
    {PYTHON_FRAMES, is_indented, PYTHON_FRAMES},
    {PYTHON_FRAMES, is_python_exception, PYTHON_RAISED},
    {PYTHON_GROUP, is_indented, PYTHON_GROUP},
    {PYTHON_GROUP, is_python_link, PYTHON_HEADING},
    {PYTHON_RAISED, is_python_link, PYTHON_HEADING},
    {PYTHON_RAISED, is_quotes, PYTHON_RAISED},
    {PYTHON_RAISED, is_empty, PYTHON_RAISED},
    {PYTHON_FAULT, is_indented, PYTHON_FAULT},
    {PYTHON_FAULT, is_python_fault_detail, PYTHON_FAULT},
    {PYTHON_FAULT, is_empty, PYTHON_FAULT},

    {RUBY, is_ruby_caller, RUBY},
    {RAILS, is_ruby_place, RAILS},
    {RAILS, is_indented, RAILS},
    {RAILS, is_empty, RAILS},
};

/* What may be the first line of a message, by kind; of AZM_MULTILINE_AUTO any but INDENTED. */
static const struct beginning {
    enum azm_multiline kind;
    bool (*fits)(struct azm_text line);
    azm_multiline_state to;
} beginnings[] = {
    {AZM_MULTILINE_INDENT, is_any, INDENTED},
    {AZM_MULTILINE_PYTHON, is_python_group, PYTHON_GROUP},
    {AZM_MULTILINE_PYTHON, is_traceback, PYTHON_FRAMES},
    {AZM_MULTILINE_PYTHON, is_python_heading, PYTHON_HEADING},
    {AZM_MULTILINE_PYTHON, is_python_fault, PYTHON_FAULT},
    {AZM_MULTILINE_GO, is_go_panic, GO_PANIC},
    {AZM_MULTILINE_PHP, is_php_message, PHP_MESSAGE},
    {AZM_MULTILINE_RUBY, is_ruby_place, RUBY},
    {AZM_MULTILINE_RUBY, is_rails, RAILS},
    {AZM_MULTILINE_JAVA, names_throwable, JAVA},
};

/* Programs that also run elsewhere end their lines with CR LF. */
static struct azm_text without_cr(struct azm_text line)
{
    line.len -= line.len > 0 && line.s[line.len - 1] == '\r';
    return line;
}

azm_multiline_state azm_multiline_begin(enum azm_multiline kind, struct azm_text line)
{
    line = without_cr(line);
    if (line.len == 0)
        return NONE;
    for (size_t i = 0; i < ELEMENTSOF(beginnings); i++) {
        const struct beginning *b = &beginnings[i];

        if ((kind == b->kind || (kind == AZM_MULTILINE_AUTO && b->kind != AZM_MULTILINE_INDENT)) && b->fits(line))
            return b->to;
    }
    return NONE;
}

bool azm_multiline_continue(azm_multiline_state *state, struct azm_text line)
{
    line = without_cr(line);
    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (rules[i].from == *state && rules[i].fits(line)) {
            *state = rules[i].to;
            return true;
        }
    return false;
}

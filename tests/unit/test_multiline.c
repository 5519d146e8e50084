/* SPDX-License-Identifier: MIT */
#include "parse/multiline.h"
#include "tests/unit/test.h"

/* What runtimes print, as journald has it: without empty lines. In front of each line stands what is expected: '>' it
 * begins a message, '+' it goes on with the one before. Lines that nothing can follow are marked '.'. */

static void assert_marks(enum azm_multiline kind, const char *text)
{
    azm_multiline_state state = 0;

    while (*text) {
        size_t len = strcspn(text, "\n");
        const struct azm_text line = {text + 1, len - 1};
        bool goes_on = azm_multiline_continue(&state, line);
        char mark = '+';

        if (!goes_on) {
            state = azm_multiline_begin(kind, line);
            mark = state > 0 ? '>' : '.';
        }
        ck_assert_msg(mark == *text, "%c%.*s", mark, (int)line.len, line.s);
        text += len + 1;
    }
}

static const struct trace {
    enum azm_multiline kind;
    const char *text;
} traces[] = {
    {AZM_MULTILINE_PYTHON, /* CPython 3.11 */
     ".starting\n"
     ">Traceback (most recent call last):\n"
     "+  File \"/srv/shop.py\", line 9, in <module>\n"
     "+    buy()\n"
     "+  File \"/srv/shop.py\", line 6, in buy\n"
     "+    return 1 / n\n"
     "+           ~~^~~\n"
     "+ZeroDivisionError: division by zero\n"
     ".next\n"},
    {AZM_MULTILINE_PYTHON, ">Traceback (most recent call last):\n"
                           "+  File \"a.py\", line 2, in f\n"
                           "+  [Previous line repeated 996 more times]\n"
                           "+RecursionError: maximum recursion depth exceeded\n"
                           ">Traceback (most recent call last):\n"
                           "+  File \"a.py\", line 2, in f\n"
                           "+KeyboardInterrupt\n"},
    {AZM_MULTILINE_PYTHON, /* one while another one is handled, and one because of another one */
     ">Traceback (most recent call last):\n"
     "+  File \"a.py\", line 2, in f\n"
     "+KeyError: 'x'\n"
     "+During handling of the above exception, another exception occurred:\n"
     "+Traceback (most recent call last):\n"
     "+  File \"a.py\", line 4, in f\n"
     "+shop.errors.OutOfStock: 'x'\n"
     "+The above exception was the direct cause of the following exception:\n"
     "+Traceback (most recent call last):\n"
     "+  File \"a.py\", line 9, in g\n"
     "+RuntimeError: no\n"
     ".2026-11-26 07:00:00 next\n"},
    {AZM_MULTILINE_PYTHON, /* what a worker of a pool has raised */
     ">concurrent.futures.process._RemoteTraceback: \n"
     "+\"\"\"\n"
     "+Traceback (most recent call last):\n"
     "+  File \"/usr/lib/python3.11/concurrent/futures/process.py\", line 256, in _process_worker\n"
     "+    r = call_item.fn(*call_item.args, **call_item.kwargs)\n"
     "+ValueError: 7\n"
     "+\"\"\"\n"
     "+The above exception was the direct cause of the following exception:\n"
     "+Traceback (most recent call last):\n"
     "+  File \"/srv/pool.py\", line 9, in <module>\n"
     "+ValueError: 7\n"
     ".next\n"},
    {AZM_MULTILINE_PYTHON, ">Exception in thread Thread-1 (run):\n"
                           "+Traceback (most recent call last):\n"
                           "+  File \"a.py\", line 2, in f\n"
                           "+ValueError\n"
                           ">Process ForkPoolWorker-3:\n"
                           "+Traceback (most recent call last):\n"
                           "+  File \"a.py\", line 2, in f\n"
                           "+ValueError\n"
                           ">Exception ignored in: <function C.__del__ at 0x7f1>\n"
                           "+Traceback (most recent call last):\n"
                           "+  File \"a.py\", line 2, in f\n"
                           "+ValueError\n"
                           ">Process A:\n"
                           ".next\n"},
    {AZM_MULTILINE_PYTHON, ">  + Exception Group Traceback (most recent call last):\n"
                           "+  |   File \"a.py\", line 2, in f\n"
                           "+  | ExceptionGroup: two (2 sub-exceptions)\n"
                           "+  +-+---------------- 1 ----------------\n"
                           "+    | ValueError: 1\n"
                           "+    +---------------- 2 ----------------\n"
                           "+    | TypeError: 2\n"
                           "+    +------------------------------------\n"
                           ".Starting: again\n"},
    {AZM_MULTILINE_PYTHON, /* faulthandler */
     ">Fatal Python error: Segmentation fault\n"
     "+Current thread 0x00007f (most recent call first):\n"
     "+  File \"a.py\", line 2 in f\n"
     "+Thread 0x00007e (most recent call first):\n"
     "+  File \"a.py\", line 3 in g\n"
     "+Extension modules: numpy.core (total: 1)\n"
     ".next\n"},
    {AZM_MULTILINE_PYTHON, /* behind the frames there is nothing but the exception's name */
     ">Traceback (most recent call last):\n"
     "+  File \"a.py\", line 2, in f\n"
     ".(other) words\n"},
    {AZM_MULTILINE_JAVA, ".INFO started\n"
                         ">Exception in thread \"main\" java.lang.IllegalStateException: no stock\n"
                         "+\tat shop.Shop.buy(Shop.java:12)\n"
                         "+\tat shop.Shop.main(Shop.java:5)\n"
                         "+\tSuppressed: java.io.IOException: closed\n"
                         "+\t\tat shop.Shop.close(Shop.java:30)\n"
                         "+Caused by: java.lang.NullPointerException\n"
                         "+\tat shop.Stock.get(Stock.java:7)\n"
                         "+\t... 2 more\n"
                         ".INFO next\n"},
    {AZM_MULTILINE_JAVA, /* behind a line of a logging library */
     ">2026-11-26 07:00:00 ERROR shop - java.sql.SQLException: no\n"
     "+\tat shop.Db.get(Db.java:7)\n"
     ">org.springframework.BeanException: x; nested exception is java.lang.Error\n"
     "+nested exception is:\n"
     "+\tjava.rmi.UnmarshalException: y\n"
     "+\tat shop.A.b(A.java:1)\n"},
    {AZM_MULTILINE_JAVA, /* Node.js */
     ">TypeError: Cannot read properties of undefined (reading 'x')\n"
     "+    at buy (/srv/shop.js:3:9)\n"
     "+    at Object.<anonymous> (/srv/shop.js:7:1) {\n"
     "+  code: 'E_NO',\n"
     "+  [cause]: Error: why\n"
     "+      at buy (/srv/shop.js:2:9)\n"
     "+}\n"
     ".Node.js v20.19.0\n"},
    {AZM_MULTILINE_JAVA, /* .NET */
     ">Unhandled exception. System.InvalidOperationException: no\n"
     "+ ---> System.ArgumentException: x\n"
     "+   at Shop.Stock.Get() in /srv/Stock.cs:line 3\n"
     "+   --- End of inner exception stack trace ---\n"
     "+   at Shop.Program.Main() in /srv/Program.cs:line 9\n"
     "+--- End of stack trace from previous location where exception was thrown ---\n"
     "+   at Shop.Program.Run()\n"
     ".next\n"},
    {AZM_MULTILINE_GO, ">panic: runtime error: invalid memory address or nil pointer dereference\n"
                       "+[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45]\n"
                       "+goroutine 1 [running]:\n"
                       "+main.(*Shop).buy(...)\n"
                       "+\t/srv/shop.go:7\n"
                       "+main.main()\n"
                       "+\t/srv/shop.go:12 +0x1d\n"
                       "+goroutine 6 [chan receive]:\n"
                       "+main.worker(0xc000010000, {0x4a, 0x3})\n"
                       "+\t/srv/shop.go:20 +0x2a\n"
                       "+created by main.main in goroutine 1\n"
                       "+\t/srv/shop.go:11 +0x1f\n"
                       ".exit status 2\n"},
    {AZM_MULTILINE_GO, ">panic: one [recovered]\n"
                       "+\tpanic: two\n"
                       "+goroutine 1 [running]:\n"
                       "+main.main()\n"
                       "+\t/srv/shop.go:12 +0x1d\n"
                       ">fatal error: all goroutines are asleep - deadlock!\n"
                       "+goroutine 1 [chan receive]:\n"
                       "+main.main()\n"
                       "+\t/srv/a.go:5 +0x2d\n"
                       ">2026/11/26 07:00:00 http: panic serving 127.0.0.1:4000: no\n"
                       "+goroutine 7 [running]:\n"
                       "+net/http.(*conn).serve.func1()\n"
                       "+\t/usr/lib/go/src/net/http/server.go:1903 +0xbe\n"
                       "+panic({0x6a?, 0x7b?})\n"
                       "+\t/usr/lib/go/src/runtime/panic.go:770 +0x132\n"
                       "+...additional frames elided...\n"
                       ".2026/11/26 next (done)\n"},
    {AZM_MULTILINE_PHP, ">PHP Fatal error:  Uncaught Exception: no in /srv/shop.php:3\n"
                        "+Stack trace:\n"
                        "+#0 /srv/shop.php(7): buy()\n"
                        "+#1 {main}\n"
                        "+  thrown in /srv/shop.php on line 3\n"
                        ".next\n"
                        ">PHP Warning:  Undefined variable $x in /srv/a.php on line 2\n"
                        ">PHP Warning:  Undefined variable $y in /srv/a.php on line 3\n"},
    {AZM_MULTILINE_RUBY, ">/srv/shop.rb:3:in `buy': sold out (RuntimeError)\n"
                         "+\tfrom /srv/shop.rb:7:in `<main>'\n"
                         ".next\n"
                         ">ActiveRecord::RecordInvalid (no name):\n"
                         "+app/models/shop.rb:7:in `save'\n"
                         "+app/controllers/shop.rb:9:in `create'\n"
                         ".Started GET \"/\"\n"},
    {AZM_MULTILINE_INDENT, ">one\n"
                           "+  of two\n"
                           "+\tof three\n"
                           ">two\n"
                           ">three\n"
                           "+ and more\n"},
};

START_TEST(traces_are_one_message)
{
    for (size_t i = 0; i < ELEMENTSOF(traces); i++)
        assert_marks(traces[i].kind, traces[i].text);
}
END_TEST

/* With auto a line that another language could begin with is held back for a moment; what is joined is the same. */
START_TEST(auto_joins_what_its_kinds_join)
{
    for (size_t i = 0; i < ELEMENTSOF(traces); i++) {
        azm_multiline_state own = 0, all = 0;

        for (const char *text = traces[i].text; *text && traces[i].kind != AZM_MULTILINE_INDENT;) {
            size_t len = strcspn(text, "\n");
            const struct azm_text line = {text + 1, len - 1};
            bool goes_on = azm_multiline_continue(&own, line);

            ck_assert_msg(azm_multiline_continue(&all, line) == goes_on, "%.*s", (int)line.len, line.s);
            if (!goes_on) {
                own = azm_multiline_begin(traces[i].kind, line);
                all = azm_multiline_begin(AZM_MULTILINE_AUTO, line);
            }
            text += len + 1;
        }
    }
}
END_TEST

START_TEST(each_kind_knows_its_own_only)
{
    static const char *const firsts[] = {
        [AZM_MULTILINE_GO] = "panic: no",
        [AZM_MULTILINE_JAVA] = "java.io.IOException: no",
        [AZM_MULTILINE_PHP] = "PHP Fatal error:  no",
        [AZM_MULTILINE_PYTHON] = "Traceback (most recent call last):",
        [AZM_MULTILINE_RUBY] = "a.rb:3:in `f': no (RuntimeError)",
    };

    for (enum azm_multiline kind = AZM_MULTILINE_NO; kind <= AZM_MULTILINE_AUTO; kind++)
        for (size_t i = AZM_MULTILINE_GO; i < ELEMENTSOF(firsts); i++)
            ck_assert_int_eq(azm_multiline_begin(kind, azm_text_of(firsts[i])) > 0,
                             kind == i || kind >= AZM_MULTILINE_AUTO || kind == AZM_MULTILINE_INDENT);
}
END_TEST

/* Whatever writes them. */
START_TEST(lines_with_carriage_returns_and_empty_ones)
{
    azm_multiline_state state =
        azm_multiline_begin(AZM_MULTILINE_PYTHON, AZM_TEXT("Traceback (most recent call last):\r"));

    ck_assert_uint_gt(state, 0);
    ck_assert(azm_multiline_continue(&state, AZM_TEXT("  File \"a\"\r")));
    ck_assert(azm_multiline_continue(&state, AZM_TEXT("ValueError\r")));
    ck_assert(azm_multiline_continue(&state, AZM_TEXT("\r")));
    ck_assert(azm_multiline_continue(&state, (struct azm_text){0}));
    for (enum azm_multiline kind = AZM_MULTILINE_NO; kind <= AZM_MULTILINE_AUTO; kind++) {
        ck_assert_uint_eq(azm_multiline_begin(kind, (struct azm_text){0}), 0);
        ck_assert_uint_eq(azm_multiline_begin(kind, AZM_TEXT("\r")), 0);
    }
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "traces_are_one_message", traces_are_one_message);
    add_test(s, "auto_joins_what_its_kinds_join", auto_joins_what_its_kinds_join);
    add_test(s, "each_kind_knows_its_own_only", each_kind_knows_its_own_only);
    add_test(s, "lines_with_carriage_returns_and_empty_ones", lines_with_carriage_returns_and_empty_ones);
}

TEST_MAIN("multiline", add_tests)

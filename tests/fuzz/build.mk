# SPDX-License-Identifier: MIT
# For `make fuzz`: all sources compiled by clang with its instruments, in fuzz/obj, and linked into one program.
include Makefile

# pointer-overflow: clang before 20 reports NULL + 0, which C2y (N3322) defines
FUZZ_FLAGS = -std=gnu17 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=pointer-overflow \
	-fno-sanitize-recover=all -U_FORTIFY_SOURCE
fuzz_objects = $(patsubst %.c,fuzz/obj/%.o,$(filter %.c,tests/fuzz/libfuzzer.c proto/otlp_logs.pb-c.c $(fuzz_sources) \
	$(libazmonlog_la_SOURCES) $(libsyslog_la_SOURCES)))

fuzz/libfuzzer: $(fuzz_objects)
	$(AM_V_CCLD)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $(fuzz_objects) $(LIBRARY_LIBS) $(ESTR_LIBS)

fuzz/obj/%.o: %.c tests/fuzz/build.mk
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(FUZZ_CC) $(AM_CPPFLAGS) $(ESTR_CFLAGS) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

-include $(fuzz_objects:.o=.d)

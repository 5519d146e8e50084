/* SPDX-License-Identifier: MIT */
#include "process/ready_rules.h"
#include "process/card.h"
#include "process/letters.h"

/* What all of them keep to:
 *
 * - \K begins what is replaced, so that the words before it, which say what it was, stay.
 * - A text is matched as it would leave, with U+FFFD in the place of bytes that are no UTF-8. Where a secret consists
 * of certain letters only, U+FFFD is one of them: a damaged byte must not end it.
 * - What was replaced is not found again (MARKER), so that a second azmonlog on the way changes nothing.
 * - The time is linear, whatever the text is. Repetitions take what they can get and do not give it back (++, *+),
 * wherever that is what is meant; and where a match may begin at any place of a long word, that is looked through once
 *   (lookbehinds, (*SKIP)).
 */
#define MARKER "\\[redacted:[a-z0-9_-]++\\]"
#define NOT_MARKER "(?!" MARKER "(?:[\\s\"'\\\\,;&]|$))"

/* Between a name and its value: `: `, `=`, `=>`, also in JSON, and in JSON within JSON; in front of the value's quote.
 */
#define IS "\\\\*+[\"']?+\\s*+(?>=>|:=|[:=])\\s*+"

/* The rest of a value in quotes, or up to where one without quotes ends. */
#define VALUE                                                                                                          \
    "(?:\"\\K" NOT_MARKER "(?:[^\"\\\\]++|\\\\[\\s\\S])++"                                                             \
    "|'\\K" NOT_MARKER "(?:[^'\\\\]++|\\\\[\\s\\S])++"                                                                 \
    "|\\\\++[\"']\\K" NOT_MARKER "(?:[^\\\\]++|\\\\(?![\"'\\\\]))++"                                                   \
    "|(?![\"']|\\\\++[\"'])\\K" NOT_MARKER "[^\\s\"'&;]++)"

/* What a key is that is secret; primary_key is not. (Each branch of a lookbehind has to have one length.) PCRE2 is
 * three times as fast where a word does not begin with k or s, of which there are three each without regard to case: so
 * these are looked for from their second letter on. */
#define KEY_KINDS(end)                                                                                                 \
    "api" end "|auth" end "|access" end "|secret" end "|private" end "|account" end "|shared" end "|encryption" end    \
    "|signing" end "|master" end "|subscription" end
#define KEY "ey(?<=" KEY_KINDS("key") "|" KEY_KINDS("[._-]key") ")"
#define SECRET "(?<=s)ecret"

/* What systemd's units end with: user@1000.service is no address. */
#define UNIT_TYPE "(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)(?![\\w-])"
#define MAIL_LETTERS "\\w.!#$*+^~\\x{a1}-\\x{10ffff}-"
/* The attribute syslog.disk@32473.name is no address either (plugin/structured_data.h). */
#define NOT_STRUCTURED_DATA "(?!syslog\\.[" MAIL_LETTERS "]++@\\d++\\.)"
#define MAIL_DOMAIN                                                                                                    \
    "(?:[\\w\\x{a1}-\\x{10ffff}-]++\\.)+(?!" UNIT_TYPE                                                                 \
    ")(?:[a-zA-Z\\x{a1}-\\x{10ffff}]{2,}+|xn--[a-zA-Z0-9-]++)(?![\\w-]|\\." UNIT_TYPE ")"

#define EITHER AZM_LETTER_IS
#define DIGITS_OF_A_CARD "0000000000000" /* as a text that needs them */

/* clang-format off */
const struct azm_ready_rule_table azm_ready_rules[AZM_READY_RULES] = {
    [AZM_READY_PRIVATE_KEY] = {
        .patterns = {
            /* one whose end is missing goes up to the end of the text */
            {"-----BEGIN (?:[A-Z0-9]++ )*?PRIVATE KEY(?:[^-]++|-(?!----END ))*+(?:-----END [A-Z0-9 ]*+-----)?+", "-BEGINPRVATKY "},
            {"AGE-SECRET-KEY-1[0-9A-Za-z\\x{fffd}]++", "AGE-SCRTKY1"},
        },
    },
    [AZM_READY_AUTHORIZATION] = {
        .patterns = {
            /* some schemes have parameters with quotes and commas: the rest of the line is theirs */
            {"(?i)authorization" IS "\\\\*+[\"']?+\\K" NOT_MARKER
             "(?:(?:digest|aws4-hmac-sha256|oauth|hawk|signature)[ \\t][^\\r\\n]++"
             "|(?:[\\w.-]++[ \\t]++)?+(?:[^\\s\"',;\\\\]|\\\\(?![\"']))++)", "authorizn" EITHER},
            {"(?i)\\bbearer[ \\t]++\\K(?=\\S*\\d)[\\w.~+/\\x{fffd}-]{16,}+=*+", "bear 0"},
            {"(?i)\\bbasic[ \\t]++\\K(?=\\S*[\\d=])[a-z0-9+/\\x{fffd}]{8,}+=*+", "basic "},
            {"(?i)\\bcookie\\\\*+[\"']?+\\s*+:\\s*+\\\\*+[\"']?+\\K" NOT_MARKER "[^\\r\\n\"]++", "cookie:"},
        },
        .names = {{"(?i)authorization$", "authorizn"}, {"(?i)(?<![a-z0-9])cookie$", "cookie"}},
    },
    [AZM_READY_JWT] = {
        .patterns = {{"eyJ[\\w\\x{fffd}-]{6,}+(*SKIP)\\.[\\w\\x{fffd}-]{6,}+(?:\\.[\\w\\x{fffd}-]*+)*+", "eyJ."}},
    },
    [AZM_READY_CONNECTION_STRING] = {
        .patterns = {
            {"(?i)(?:account|sharedaccess|access)key\\s*+=\\s*+\\K" NOT_MARKER "[^\\s;\"']++", "accekey="},
            {"(?i)(?<=s)haredaccesssignature\\s*+=\\s*+\\K" NOT_MARKER "[^\\s;\"']++", "sharedcign="},
            {"(?i);\\s*+(?:password|pwd(?!\\s*+=\\s*+/))\\s*+=\\s*+\\K" NOT_MARKER "[^;\"']++", ";pwd="},
            {"://[^\\s/:@\"'<>[]*+:\\K(?!" MARKER "@)[^\\s/@\"'<>]++(?=@)", ":/@"}, /* user:password@ */
            {"[?&;]sig=\\K" NOT_MARKER "[^\\s&\"';]++", "sig="},                   /* of a shared access signature */
        },
        .names = {{"(?i)connection[._-]?string$", "conetirsg"}, {"(?i)(?<=s)haredaccesssignature$", "sharedcign"}},
    },
    [AZM_READY_PASSWORD] = {
        .patterns = {
            {"(?i)pass(?:w(?:or)?d|phrase|code)" IS VALUE, "pas" EITHER},
            {"(?i)pwd" IS "(?!/)" VALUE, "pwd" EITHER}, /* PWD=/root is where sudo was */
            {"(?i)" SECRET IS VALUE, "secrt" EITHER},
            {"(?i)credentials?+" IS VALUE, "credntial" EITHER},
            {"(?i)" KEY IS VALUE, "key" EITHER},
            /* "unexpected token: x" is none */
            {"(?i)token(?:\\s*+=\\s*+|\\\\*+[\"']\\s*+:\\s*+|(?<=[a-z_-]token)\\s*+:\\s*+)" VALUE, "token" EITHER},
            {"(?i)--[\\w-]{0,40}?(?:pass(?:w(?:or)?d|phrase|code)|secret|token|api-?key)\\s++\\K" NOT_MARKER "[^\\s\"'-][^\\s\"']*+", "- "},
        },
        .names = {
            {"(?i)pass(?:w(?:or)?d|phrase|code)$", "pas"},
            {"(?i)[^.]pwd$", "pwd"},
            {"(?i)" SECRET "$", "secrt"},
            {"(?i)credentials?$", "credntial"},
            {"(?i)token$", "token"},
            {"(?i)" KEY "$", "key"},
        },
    },
    [AZM_READY_CLOUD_KEY] = {
        .patterns = {
            /* Azure: storage, Cosmos DB, Batch and others, 512 bits; what identifies itself, 256 bits */
            {"(?<![\\w+/])[A-Za-z0-9+/\\x{fffd}]{86}==", "="},
            {"(?<![\\w+/])[A-Za-z0-9+/\\x{fffd}]{33}\\+A(?:Sb|Eh|Rm|St)[A-Za-z0-9+/\\x{fffd}]{5,7}=", "+A="},
            /* of an application in Entra ID */
            {"(?<![\\w.~-])[\\w.~-]{3}[78]Q~[\\w.~\\x{fffd}-]{31,34}+", "0Q~"},
            /* AWS, Google */
            {"(?<![A-Za-z0-9])A(?:[KSB]IA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])", "A"},
            {"AIza[\\w\\x{fffd}-]{35,}+", "AIz"},
            {"(?<![A-Za-z0-9])ya29\\.[\\w\\x{fffd}-]{16,}+", "ya0."},
            /* GitHub, GitLab, Slack, Stripe, OpenAI and Anthropic, npm, PyPI, SendGrid */
            {"(?<![A-Za-z0-9])gh[pousr]_[\\w\\x{fffd}]{36,}+", "gh_"},
            {"github_pat_[\\w\\x{fffd}]{22,}+", "github_pa"},
            {"glpat-[\\w\\x{fffd}-]{20,}+", "glpat-"},
            {"(?<![A-Za-z0-9])xox[abeoprs]-[\\w\\x{fffd}-]{10,}+", "xo-"},
            {"(?<![A-Za-z0-9])[rs]k_(?:live|test)_[\\w\\x{fffd}]{16,}+", "k_e"},
            {"(?<![A-Za-z0-9])sk-[\\w\\x{fffd}-]{20,}+", "sk-"},
            {"npm_[\\w\\x{fffd}]{36,}+", "npm_"},
            {"pypi-[\\w\\x{fffd}-]{50,}+", "pyi-"},
            {"(?<![A-Za-z0-9])SG\\.[\\w\\x{fffd}-]{16,}+\\.[\\w\\x{fffd}-]{16,}+", "SG."},
        },
    },
    [AZM_READY_CARD] = {
        .patterns = {{"(?<!\\d)(?<!\\d\\.)(?:\\d{13,19}+|\\d{4}([ .\\x{fffd}-])\\d{4}\\1\\d{4}\\1\\d{1,7}+"
                      "|\\d{4}([ .\\x{fffd}-])\\d{6}\\2\\d{4,5}+)(?!\\d)", DIGITS_OF_A_CARD}},
        .check = azm_is_card,
    },
    [AZM_READY_MAIL] = {
        .patterns = {
            {"(?<![" MAIL_LETTERS "])" NOT_STRUCTURED_DATA "[" MAIL_LETTERS "]++@" MAIL_DOMAIN, "@."},
            {"(?<![\\w.+-])[\\w.+-]++%40" MAIL_DOMAIN, "%0."}, /* in a URL */
        },
    },
};

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/credential_path.h"

int azm_credential_path(const char *name, char path[static PATH_MAX], struct azm_error *err)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    int n;

    if (*name == '/')
        n = snprintf(path, PATH_MAX, "%s", name);
    else if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return azm_error_set(err, EINVAL, "'%s' is neither an absolute path nor the name of a credential", name);
    else if (!directory)
        return azm_error_set(err, ENXIO,
                             "'%s' is no absolute path, and there are no credentials of the service "
                             "(LoadCredential=%s:PATH) that it could name; outside of the service, set "
                             "CREDENTIALS_DIRECTORY=DIRECTORY for the command",
                             name, name);
    else
        n = snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return n < PATH_MAX ? 0 : azm_error_set(err, ENAMETOOLONG, "the path of a secret is too long");
}

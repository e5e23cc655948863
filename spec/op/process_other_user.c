/* process_other_user.c: installed setuid root, it becomes root for good: who started it may not
 * signal it. */
#include <unistd.h>

int main(void)
{
    if (setuid(0))
        return 1;
    sleep(1);
    return 0;
}

/* libcurl's multi interface, so many handles at once, each used again. */
#include "../../lib/bench.h"
#include <curl/curl.h>
#include <stdlib.h>
/* link: -lcurl */

static long sum, left;

static size_t on_body(char *data, size_t size, size_t count, void *ud)
{
    (void)data, (void)ud;
    sum += (long)(size * count);
    return size * count;
}

static void add(CURLM *multi, CURL *easy)
{
    if (left <= 0) {
        curl_easy_cleanup(easy);
        return;
    }
    left--;
    curl_multi_add_handle(multi, easy);
}

static void start(CURLM *multi, const char *url)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        exit(1);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    add(multi, easy);
}

static void finish(CURLM *multi)
{
    int in_queue;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &in_queue));) {
        CURL *easy = message->easy_handle;
        long status = 0;
        if (message->data.result != CURLE_OK)
            exit(1);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        sum += status;
        curl_multi_remove_handle(multi, easy);
        add(multi, easy);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    left = atol(argv[1]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    double began = bench_now();
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, atol(argv[3]));
    for (long i = atol(argv[3]); i > 0; i--)
        start(multi, argv[2]);
    for (int running = 1; running || left > 0;) { // a moment may find all of them done
        curl_multi_perform(multi, &running);
        finish(multi);
        curl_multi_perform(multi, &running);
        if (running)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    finish(multi);
    curl_multi_cleanup(multi);
    bench_print(began, sum);
    return 0;
}

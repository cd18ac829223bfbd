<?php
// PHP's curl, which it loads with RTLD_DEEPBIND, against the server of argv[1]; argv[2]: whom to trust.
foreach (["/small.txt", "/large.txt", "/gone"] as $path) {
    $handle = curl_init($argv[1] . $path);
    curl_setopt($handle, CURLOPT_RETURNTRANSFER, true);
    if (isset($argv[2])) {
        curl_setopt($handle, CURLOPT_CAINFO, $argv[2]);
    }
    $body = curl_exec($handle);
    echo curl_getinfo($handle, CURLINFO_RESPONSE_CODE), " ", strlen($body), "\n";
}

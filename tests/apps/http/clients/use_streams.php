<?php
// PHP's own http and https streams against the server of argv[1].
foreach (["/small.txt", "/large.txt", "/gone"] as $path) {
    $body = file_get_contents($argv[1] . $path, false,
        stream_context_create(["http" => ["ignore_errors" => true]]));
    echo $http_response_header[0], " ", strlen($body), "\n";
}

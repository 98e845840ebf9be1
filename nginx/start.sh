#!/bin/sh
# Starts the edge in its container: sh start.sh DIR, where DIR is the one place it may write to.
#
# nginx.conf must also suit Debian's Nginx 1.22, which cannot follow a name whose addresses change; the image's can
# (`resolve`, since 1.27.3). So here, and only here, nodes may come and go without a reload. The dashboard's password
# comes from the environment, like every other secret of the deployment.
set -eu
umask 077
directory=$1
cd "$(dirname "$0")"

cp ./*.conf "$directory/"
sed 's/server hub:8000/& resolve/' nginx.conf >"$directory/nginx.conf"
printf '%s:{PLAIN}%s\n' "$RQ_DASHBOARD_USERNAME" "$RQ_DASHBOARD_PASSWORD" >"$directory/rq.htpasswd"

exec nginx -p "$directory/" -c nginx.conf -e stderr -g 'daemon off;'

"""Crawls the metadata service at argv[1] as cloud-init does on an instance; argv[2] is a directory of its own. Prints what it got."""

import json
import sys

from cloudinit import helpers
from cloudinit.sources import DataSourceEc2 as source

address, directory = sys.argv[1:]
ec2 = source.DataSourceEc2({}, None, helpers.Paths({"cloud_dir": directory, "run_dir": directory}))
source.DataSourceEc2.metadata_urls = [address]
ec2._cloud_name = source.CloudNames.AWS
if not ec2.wait_for_metadata_service():
    sys.exit("no metadata service")
crawled = ec2.crawl_metadata()
crawled["user-data"] = crawled["user-data"].decode()
print(json.dumps(crawled))

import sys, unicodedata
for f in sys.argv[1:]:
    t = open(f).read()
    open(f, "w").write(unicodedata.normalize("NFC", t))

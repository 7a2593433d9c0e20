module example.org/quickpizza

go 1.22

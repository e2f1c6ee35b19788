# lme4 with its defaults: REML. Rscript lme4_fit.R FOLDER FORMULA x1,x2 f1,f2
given <- commandArgs(TRUE)
folder <- given[1]
slopes <- strsplit(given[3], ",")[[1]]
factors <- strsplit(given[4], ",")[[1]]
suppressMessages(library(lme4))

path <- function(name) file.path(folder, name)
read <- function(name, what, size) readBin(path(name), what, file.size(path(name)) / size, size)
rows <- data.frame(y = read("y", "double", 8))
for (name in slopes) rows[[name]] <- read(name, "double", 8)
for (name in factors) {
  codes <- read(name, "integer", 4)
  rows[[name]] <- factor(codes, 0:max(codes))
}

model <- lmer(as.formula(given[2]), rows)
invisible(fixef(model))
cat("fitted\n")
flush(stdout())

# Effects with their conditional standard deviations, given all parameters.
found <- as.data.frame(ranef(model, condVar = TRUE))
cat("effects\n")
flush(stdout())

for (name in factors) {
  mine <- found[found$grpvar == name, ]
  term <- match(as.character(mine$term), c("(Intercept)", slopes))
  mine <- mine[order(as.integer(as.character(mine$grp)), term), ]
  width <- qnorm(0.95) * mine$condsd
  writeBin(mine$condval, path(paste0(name, ".mean")))
  writeBin(mine$condval - width, path(paste0(name, ".lower")))
  writeBin(mine$condval + width, path(paste0(name, ".upper")))
}
said <- character()
if (isSingular(model)) said <- "singular"
others <- grep("singular", model@optinfo$conv$lme4$messages, value = TRUE, invert = TRUE)
if (length(others) > 0) said <- c(said, "convergence is doubted")
cat(sprintf(
  '{"said": "%s", "versions": {"R": "%s", "lme4": "%s"}}',
  paste(said, collapse = ", "), getRversion(), packageVersion("lme4")
), file = path("told.json"))
